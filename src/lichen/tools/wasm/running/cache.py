"""Compiled code that is kept for the next start. The engine believes what it loads, so nothing is loaded that bears not
our own proof: made with our key, over what compiled it, what was compiled, and every byte of what came of it.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from contextlib import suppress
from hmac import compare_digest
from pathlib import Path
from typing import Final

from wasmtime import WasmtimeError
from wasmtime.component import Component

from lichen.tools.wasm.running.engine import BUILD, engine
from lichen.tools.wasm.running.program import compiled

SUFFIX: Final = ".code"
PROOF_BYTES: Final = 32
KEPT_BYTES_MAX: Final = 1024 * 1024 * 1024  # of the whole folder
_made = itertools.count()


class Cache:
    """The code in one folder. Processes may share it: a file is there whole or not at all."""

    def __init__(self, folder: Path, key: bytes, *, bytes_max: int = KEPT_BYTES_MAX, build: str = BUILD) -> None:
        self._folder, self._key, self._bytes_max, self._build = folder, key, bytes_max, build

    def compiled(self, data: bytes, place: str | None = None) -> Component:
        """The code of a component: what was kept of it, or else made now and kept. Raises Invalid."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        found = self.find(digest)
        if found is None:
            found = compiled(data, place)
            self.keep(digest, found, replaces=True)
        return found

    def has(self, data: bytes) -> bool:
        """Whether something was kept of a component; `compiled` looks whether it is ours."""
        return self._path(f"sha256:{hashlib.sha256(data).hexdigest()}").exists()

    def find(self, digest: str) -> Component | None:
        """What was kept for a component, if it is ours to the last byte."""
        path = self._path(digest)
        try:
            held = path.read_bytes()
        except OSError:
            return None
        proof, code = held[:PROOF_BYTES], held[PROOF_BYTES:]
        if not compare_digest(proof, self._proof(digest, code)):
            return None
        with suppress(OSError):
            os.utime(path)  # what is used stays longest
        try:
            return Component.deserialize(engine(), code)
        except WasmtimeError:
            return None

    def keep(self, digest: str, component: Component, *, replaces: bool = False) -> None:
        """Keeps the code of a component; the process goes on without where the disk does not take it."""
        path = self._path(digest)
        if path.exists() and not replaces:
            return
        code = bytes(component.serialize())
        made = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}-{next(_made)}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            made.write_bytes(self._proof(digest, code) + code)
            made.replace(path)
        except OSError:
            with suppress(OSError):
                made.unlink()
        self._trim()

    def _path(self, digest: str) -> Path:
        name = hashlib.blake2b(f"{self._build}\0{digest}".encode(), digest_size=20).hexdigest()
        return self._folder / f"{name}{SUFFIX}"

    def _proof(self, digest: str, code: bytes) -> bytes:
        about = f"{self._build}\0{digest}\0".encode()
        proof = hashlib.blake2b(about, key=self._key, digest_size=PROOF_BYTES)
        proof.update(code)
        return proof.digest()

    def _trim(self) -> None:
        """Lets go of what was not used for longest, beyond what may be kept."""
        left = self._bytes_max
        with suppress(OSError):
            for _, size, path in sorted(_files(self._folder), reverse=True):
                left -= size
                if left < 0:
                    path.unlink(missing_ok=True)


def _files(folder: Path) -> list[tuple[float, int, Path]]:
    return [(each.stat().st_mtime, each.stat().st_size, each) for each in folder.iterdir() if each.is_file()]
