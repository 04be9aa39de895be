"""A pack's bill of materials: every file with its size and hash, and where the pack is something else.

Source: Greentic `greentic-sbom-v1` (sbom.json in the older model, sbom.cbor in pack-v1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from blake3 import blake3

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid
from lichen.packs.container.archive import Archive
from lichen.packs.container.limits import pack_error
from lichen.packs.manifests.cbor import canonical, decoded
from lichen.packs.manifests.words import Digest

CBOR: Final = "sbom.cbor"
JSON: Final = "sbom.json"
FORMAT: Final = "greentic-sbom-v1"
SIGNATURES: Final = "signatures/"
_REBUILD: Final = "Build the pack anew, with `lichen pack build`."


class File(msgspec.Struct, frozen=True):
    """A file of a pack as its bill of materials has it."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    size: Annotated[int, msgspec.Meta(ge=0)]
    hash_blake3: Digest
    media_type: Annotated[str, msgspec.Meta(max_length=256)] = "application/octet-stream"


class Sbom(msgspec.Struct, frozen=True):
    """A bill of materials. `raw` are its own bytes, which a signature of the archive covers."""

    path: str
    raw: bytes
    files: tuple[File, ...]


class _Document(msgspec.Struct, frozen=True):
    format: Literal["greentic-sbom-v1"]
    files: Annotated[tuple[File, ...], msgspec.Meta(max_length=20_000)]


Difference = Literal["missing", "unlisted", "size", "hash", "twice"]


class Differs(NamedTuple):
    """A file that is not as the bill of materials says."""

    what: Difference
    path: str


def read_sbom(archive: Archive) -> Sbom:
    """The bill of materials of a pack. Raises NotFound or Invalid (`pack_sbom_missing`, `pack_sbom_invalid`)."""
    path = next((each for each in (CBOR, JSON) if each in archive), None)
    if path is None:
        message = "It has no bill of materials."
        raise pack_error(archive.name, "", message, code="pack_sbom_missing", next_step=_REBUILD)
    raw, place = archive.read(path), f"{archive.name}!/{path}"
    try:
        value: Any = decoded(raw, place).value if path == CBOR else msgspec.json.decode(raw)
        return Sbom(path, raw, msgspec.convert(value, _Document).files)
    except msgspec.ValidationError as error:
        found = misfit(error)
        message, at = f"{found.message}.", f"{place}#{found.pointer}"
        raise Invalid(message, code="pack_sbom_invalid", place=at, next_step=_REBUILD) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("It is not JSON.", code="pack_sbom_invalid", place=place, next_step=_REBUILD) from None


def differences(archive: Archive, sbom: Sbom) -> Iterator[Differs]:
    """Where a pack is not as its bill of materials says, in the order of paths. Raises what `Archive.read` does."""
    listed: dict[str, File] = {}
    for file in sbom.files:
        if file.path in listed:
            yield Differs("twice", file.path)
        listed[file.path] = file
    for path in sorted({*listed, *archive}):
        if path == sbom.path or path.startswith(SIGNATURES):
            continue
        if path not in archive:
            yield Differs("missing", path)
        elif path not in listed:
            yield Differs("unlisted", path)
        elif archive.entries[path].size != listed[path].size:
            yield Differs("size", path)
        elif blake3(archive.read(path)).hexdigest() != listed[path].hash_blake3:
            yield Differs("hash", path)


def sbom_of(files: Mapping[str, bytes], path: str = CBOR) -> bytes:
    """The bill of materials of some files, as canonical CBOR or as JSON."""
    listed = [
        {"path": name, "size": len(data), "media_type": media_type(name), "hash_blake3": blake3(data).hexdigest()}
        for name, data in sorted(files.items())
        if name not in (CBOR, JSON) and not name.startswith(SIGNATURES)
    ]
    document = {"files": listed, "format": FORMAT}
    return canonical(document) if path == CBOR else json.dumps(document, indent=2).encode()


_TYPES: Final[Mapping[str, str]] = {
    "cbor": "application/cbor",
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "json": "application/json",
    "md": "text/markdown",
    "pem": "application/x-pem-file",
    "png": "image/png",
    "svg": "image/svg+xml",
    "toml": "application/toml",
    "txt": "text/plain",
    "wasm": "application/wasm",
    "yaml": "application/yaml",
    "ygtc": "application/yaml",
    "yml": "application/yaml",
}


def media_type(path: str) -> str:
    """The media type that a file's name stands for, the same on every machine."""
    return _TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")
