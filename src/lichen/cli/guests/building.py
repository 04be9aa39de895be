"""A component's folder built, and what was built compared with its source.

What is written: `component.wasm`, its hash and name in `component.manifest.json`, and in `component.lock.json` from
which source and with which tools. Each file is there in whole or not at all; the component comes first.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from blake3 import blake3

from lichen.cli.guests.compiling import TOOLS, compiled
from lichen.cli.guests.source import MANIFEST, WASM, Source, source_of
from lichen.cli.guests.toolchains import Tell, Toolchains, silent

LOCK: Final = "component.lock.json"
LOCK_BYTES_MAX: Final = 64 * 1024


class Built(msgspec.Struct, frozen=True):
    """What a build gave."""

    place: str
    size_bytes: int
    sha256: str
    blake3: str


class Lock(msgspec.Struct, frozen=True):
    """From which source and with which tools a component was built, and its digest."""

    sources: str = ""
    tools: str = ""
    component: str = ""


class Difference(msgspec.Struct, frozen=True):
    """One way in which what lies there is not what its source gives. `what` is a stable word."""

    what: str
    message: str


def build(
    folder: Path, out: Path | None = None, *, environ: Mapping[str, str] = os.environ, tell: Tell = silent
) -> Built:
    """Builds a folder's component. With `out` only that file is written.

    Raises NotFound (`file_missing`, `build_tool_missing`), Invalid (`component_source_invalid`,
    `component_manifest_invalid`, `component_build_failed`), Unavailable (`build_tool_failed`, `build_cache`).
    """
    source = source_of(folder)
    tools = Toolchains(environ, tell=tell)
    data = compiled(source, tools)
    _write(out or source.wasm, data)
    if out is None:
        _write(folder / MANIFEST, _manifest(source, data).encode())
        lock = Lock(source.digest, tools.digest(*TOOLS[source.language]), f"sha256:{hashlib.sha256(data).hexdigest()}")
        _write(folder / LOCK, (json.dumps(msgspec.to_builtins(lock), indent=2) + "\n").encode())
    return Built(str(out or source.wasm), len(data), hashlib.sha256(data).hexdigest(), blake3(data).hexdigest())


def differences(
    folder: Path, *, environ: Mapping[str, str] = os.environ, tell: Tell = silent
) -> tuple[Difference, ...]:
    """How the component that lies there differs from what its source gives when it is built anew; nothing is written.

    Raises as `build` does.
    """
    source = source_of(folder)
    tools = Toolchains(environ, tell=tell)
    held = source.wasm.read_bytes() if source.wasm.is_file() else None
    if held is None:
        return (Difference("missing", f"There is no {WASM}."),)
    data = compiled(source, tools)
    found = _bytes(held, data)
    if found:
        found += stale(source, tools)
    return found + hashes(source, held)


def stale(source: Source, tools: Toolchains) -> tuple[Difference, ...]:
    """What is not any more as it was when the component was built. Nothing is built."""
    lock = lock_of(source.folder)
    if lock is None:
        return ()
    found: list[Difference] = []
    if lock.sources != source.digest:
        found.append(Difference("source", "Its source was changed after it was built."))
    if lock.tools != tools.digest(*TOOLS[source.language]):
        found.append(Difference("tools", "It was built with other versions of the tools."))
    return tuple(found)


def hashes(source: Source, held: bytes) -> tuple[Difference, ...]:
    """What the manifest says of the component's bytes that they are not."""
    said = source.manifest.hashes.get("component_wasm", "").removeprefix("blake3:")
    if said == blake3(held).hexdigest():
        return ()
    return (Difference("hash", f"{MANIFEST} has {'another' if said else 'no'} hash of it."),)


def lock_of(folder: Path) -> Lock | None:
    """What `component.lock.json` says; None where there is none that can be read."""
    try:
        with (folder / LOCK).open("rb") as file:
            return msgspec.json.decode(file.read(LOCK_BYTES_MAX), type=Lock)
    except (OSError, msgspec.DecodeError):
        return None


def _bytes(held: bytes, data: bytes) -> tuple[Difference, ...]:
    if held == data:
        return ()
    first = next((at for at, (a, b) in enumerate(zip(held, data, strict=False)) if a != b), min(len(held), len(data)))
    count = sum(1 for a, b in zip(held, data, strict=False) if a != b) + abs(len(held) - len(data))
    sizes = f"{len(held)} bytes lie there and {len(data)} are built"
    return (Difference("bytes", f"{count} bytes differ, the first at {first}; {sizes}."),)


def _manifest(source: Source, data: bytes) -> str:
    """The manifest with the name and hash of what was built; all else stays."""
    said: dict[str, Any] = json.loads(source.manifest_text)
    for key, value in (("artifacts", WASM), ("hashes", f"blake3:{blake3(data).hexdigest()}")):
        held = said.get(key)
        said[key] = {**(held if isinstance(held, dict) else {}), "component_wasm": value}
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
