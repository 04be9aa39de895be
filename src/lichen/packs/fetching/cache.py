"""What was fetched, kept on the disk: `ROOT/<sha256>/pack.gtpack` with its manifest and `metadata.json`.

The name of an entry is the digest that it was asked for by; its manifest is of that digest, and its content of the one
in the manifest. All of that is checked whenever it is read, so an entry is right or is none, whoever wrote it. An
entry appears at once or not at all, and of several processes that fetch the same, one's counts.

Source: the cache of upstream's distributor for packs, which it is laid out as.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec

from lichen.core.words.errors import Full, LichenError
from lichen.packs.fetching.manifest import MANIFEST_BYTES_MAX, Kind, digest_of, layer_of, read_artifact
from lichen.packs.fetching.registry import Manifest

FILES: Final = {"pack": "pack.gtpack", "component": "component.wasm"}
MANIFEST: Final = "manifest.json"
METADATA: Final = "metadata.json"
TAGS: Final = "tags"
_FRESH: Final = ".new-"
_METADATA_BYTES_MAX: Final = 64 * 1024
_ABANDONED_S: Final = 3_600.0
_HEX: Final = frozenset("0123456789abcdef")


class Kept(msgspec.Struct, frozen=True):
    """What `metadata.json` says of an entry, for people and other programs. We believe none of it."""

    original_reference: str = ""
    resolved_digest: str = ""
    media_type: str = ""
    manifest_media_type: str = ""
    size_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0


class Entry(NamedTuple):
    """An entry as it lies there."""

    path: Path
    digest: str
    size: int
    used: float  # when it was read last
    kept: Kept


class Cache:
    """The entries below a folder, which is made when the first is kept."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, digest: str, kind: Kind, bytes_max: int) -> bytes | None:
        """The content that was asked for by a digest; None where it is not here, or is not what it was."""
        folder = self._folder(digest)
        manifest = _bytes(folder / MANIFEST, MANIFEST_BYTES_MAX)
        kept = self._kept(folder)
        if manifest is None or digest_of(manifest) != digest:
            return None
        try:
            layer = layer_of(read_artifact(manifest, kept.manifest_media_type), kind, bytes_max)
        except LichenError:
            return None
        data = _bytes(folder / FILES[kind], layer.size)
        if data is None or digest_of(data) != layer.digest:
            return None
        with suppress(OSError):
            os.utime(folder / METADATA)
        return data

    def keep(self, manifest: Manifest, kind: Kind, data: bytes, kept: Kept) -> None:
        """Keeps some content in the place of what may be there. Raises Full (`pack_cache_unwritable`)."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=_FRESH, dir=self.root))
            try:
                for name, content in (
                    (MANIFEST, manifest.data),
                    (FILES[kind], data),
                    (METADATA, msgspec.json.format(msgspec.json.encode(kept))),
                ):
                    _write(made / name, content)
                self._put(made, self._folder(manifest.digest))
            finally:
                shutil.rmtree(made, ignore_errors=True)
        except OSError as error:
            raise _unwritable(self.root, error) from None

    def _put(self, made: Path, folder: Path) -> None:
        """Gives an entry its name. What has it already was not right, or is another process's that is the same."""
        for _ in range(8):
            with suppress(OSError):
                made.rename(folder)
                return
            aside = Path(tempfile.mkdtemp(prefix=_FRESH, dir=self.root))
            with suppress(OSError):  # another process was first
                folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        made.rename(folder)

    # -- tags ----------------------------------------------------------------------------------------------------

    def resolved(self, name: str) -> str:
        """The digest that a tag was seen to stand for; empty where it never was."""
        said = _bytes(self._tag(name), 128)
        text = "" if said is None else said.decode("ascii", "replace").strip()
        return text if _is_digest(text) else ""

    def resolve(self, name: str, digest: str) -> None:
        """Remembers what a tag stands for now. Raises Full (`pack_cache_unwritable`)."""
        path = self._tag(name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=_FRESH, delete=False) as file:
                file.write(digest.encode())
            Path(file.name).replace(path)
        except OSError as error:
            raise _unwritable(self.root, error) from None

    def _tag(self, name: str) -> Path:
        return self.root / TAGS / digest_of(name.encode()).removeprefix("sha256:")

    # -- looking after it ----------------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """What is kept, in no order."""
        try:
            names = sorted(each.name for each in self.root.iterdir())
        except OSError:
            return
        for name in names:
            if len(name) == 64 and _HEX.issuperset(name):
                with suppress(OSError):
                    folder = self.root / name
                    sizes = [file.stat().st_size for file in folder.iterdir()]
                    used = (folder / METADATA).stat().st_mtime
                    yield Entry(folder, f"sha256:{name}", sum(sizes), used, self._kept(folder))

    def prune(self, bytes_max: int, *, but: str = "") -> tuple[Entry, ...]:
        """Removes what was not read for longest until the rest has at most `bytes_max`, never `but`, and what
        processes left that died; which entries were removed."""
        found = sorted(self.entries(), key=lambda each: each.used)
        over, gone = sum(each.size for each in found) - bytes_max, list[Entry]()
        for each in found:
            if over <= 0:
                break
            if each.digest != but:
                shutil.rmtree(each.path, ignore_errors=True)
                over -= each.size
                gone.append(each)
        self._sweep()
        return tuple(gone)

    def _sweep(self) -> None:
        with suppress(OSError):
            now = self.root.stat().st_mtime
            for each in self.root.glob(f"{_FRESH}*"):
                with suppress(OSError):
                    if now - each.stat().st_mtime > _ABANDONED_S:
                        shutil.rmtree(each, ignore_errors=True)

    def _folder(self, digest: str) -> Path:
        assert _is_digest(digest), "entries are named by digests"
        return self.root / digest.removeprefix("sha256:")

    def _kept(self, folder: Path) -> Kept:
        said = _bytes(folder / METADATA, _METADATA_BYTES_MAX)
        try:
            return Kept() if said is None else msgspec.json.decode(said, type=Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Kept()


def _is_digest(text: str) -> bool:
    return text.startswith("sha256:") and len(text) == 71 and _HEX.issuperset(text[7:])


def _bytes(path: Path, bytes_max: int) -> bytes | None:
    """A file of at most so many bytes, None for anything else."""
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError:
        return None
    return data if len(data) <= bytes_max else None


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _unwritable(root: Path, error: OSError) -> Full:
    message = f"What was fetched cannot be kept in {root}: {error.strerror}."
    step = "Make room, or name another folder with LICHEN_CACHE."
    return Full(message, code="pack_cache_unwritable", next_step=step)
