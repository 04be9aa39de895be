"""A pack's container: every entry checked before anything is unpacked, and each unpacked into memory, never by name.

Source: "A better zip bomb" (Fifield, 2019) for overlapping entries; APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from lichen.core.words.errors import Invalid, NotFound
from lichen.packs.container.headers import ENCRYPTED, MASKED, STRONG, Header, data_at, read_directory, read_end
from lichen.packs.container.limits import LIMITS, Limits, pack_error
from lichen.packs.container.names import check_apart, checked_name

STORED: Final = 0
DEFLATED: Final = 8
_REBUILD: Final = "Build the pack anew, with `lichen pack build`."
_FETCH: Final = "Fetch the file again; it was changed on its way."


class Entry(msgspec.Struct, frozen=True):
    """A file of a pack: where its bytes lie in the archive, and what they must be unpacked."""

    path: str
    method: int
    start: int
    packed: int
    size: int
    crc: int


class Archive(msgspec.Struct, frozen=True):
    """The files of a pack by path, in the order of the container. `name` is what errors call it."""

    name: str
    data: bytes
    entries: Mapping[str, Entry]

    def __contains__(self, path: str) -> bool:
        return path in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises NotFound (`pack_file_missing`), Invalid (`pack_entry_data`, `pack_entry_crc`)."""
        entry = self.entries.get(path)
        if entry is None:
            step = "`lichen pack inspect PACK` lists the files there are."
            raise NotFound(
                "The pack has no such file.", code="pack_file_missing", place=f"{self.name}!/{path}", next_step=step
            )
        packed = self.data[entry.start : entry.start + entry.packed]
        found = packed if entry.method == STORED else _inflated(packed, entry.size)
        if found is None or len(found) != entry.size:
            message = "An entry's bytes cannot be unpacked to the size it says."
            raise pack_error(self.name, path, message, code="pack_entry_data", next_step=_FETCH)
        if zlib.crc32(found) != entry.crc:
            message = "An entry's bytes are not those that were packed."
            raise pack_error(self.name, path, message, code="pack_entry_crc", next_step=_FETCH)
        return found


def opened_file(path: Path, limits: Limits = LIMITS) -> Archive:
    """The pack in a file. Raises NotFound (`file_missing`), Invalid (`pack_…`)."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.archive_bytes + 1)
    except OSError:
        raise NotFound("There is no such file.", code="file_missing", place=str(path)) from None
    return opened(path.name, data, limits)


def opened(name: str, data: bytes, limits: Limits = LIMITS) -> Archive:
    """The pack in some bytes, with every entry checked; none is unpacked yet. Raises Invalid (`pack_…`)."""
    _check_kind(name, data, limits)
    end = read_end(name, data, limits)
    headers = tuple(read_directory(name, data, end))
    paths = {header: checked_name(name, header.path, limits) for header in headers}
    for header in headers:
        _check_entry(name, header, limits)
    files = [header for header in headers if not header.path.endswith("/")]
    folders = [paths[header] for header in headers if header.path.endswith("/")]
    check_apart(name, [paths[header] for header in files], folders)
    _check_total(name, files, limits)
    starts = _tiled(name, data, headers, end.start)
    return Archive(name, data, {paths[h]: Entry(paths[h], h.method, starts[h], h.packed, h.size, h.crc) for h in files})


def _check_kind(name: str, data: bytes, limits: Limits) -> None:
    if len(data) > limits.archive_bytes:
        message = f"It has more than {limits.archive_bytes} bytes."
        raise pack_error(name, "", message, code="pack_too_large", next_step="Leave large assets out of it.")
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return
    raise _other_kind(name, data)


def _other_kind(name: str, data: bytes) -> Invalid:
    """What something that is no ZIP file is instead."""
    if data.lstrip()[:1] in (b"{", b"["):
        return pack_error(name, "", "It is JSON, and a pack is a ZIP file.", code="pack_is_json", next_step=_REBUILD)
    if data[257:262] == b"ustar":
        return pack_error(
            name, "", "It is a TAR file, and packs are ZIP files.", code="pack_is_tar", next_step=_REBUILD
        )
    if data[:2] == b"\x1f\x8b":
        step = "Unpack it with gunzip; what is in it may be the pack."
        return pack_error(
            name, "", "It is packed by gzip, and packs are ZIP files.", code="pack_is_gzip", next_step=step
        )
    if b"PK\x03\x04" in data[: 1024 * 1024]:
        message = "Something stands before the ZIP file."
        return pack_error(name, "", message, code="pack_data_around", next_step=_REBUILD)
    return pack_error(name, "", "It is no ZIP file.", code="pack_not_zip", next_step=_REBUILD)


def _check_entry(name: str, header: Header, limits: Limits) -> None:
    """Refuses what no pack has. Raises Invalid (`pack_entry_…`)."""
    if header.flags & (ENCRYPTED | STRONG | MASKED):
        raise pack_error(name, header.path, "An entry is encrypted.", code="pack_entry_encrypted", next_step=_REBUILD)
    if header.method not in (STORED, DEFLATED):
        message = f"An entry is compressed by method {header.method}; packs are stored or deflated."
        raise pack_error(name, header.path, message, code="pack_entry_method", next_step=_REBUILD)
    kind, is_folder = stat.S_IFMT(header.mode), header.path.endswith("/")
    if kind not in (0, stat.S_IFDIR if is_folder else stat.S_IFREG) or (is_folder and header.size):
        message = "An entry is a link, a device or another thing that is neither file nor folder."
        raise pack_error(name, header.path, message, code="pack_entry_special", next_step=_REBUILD)
    if header.size > limits.entry_bytes:
        message = f"An entry has more than {limits.entry_bytes} bytes."
        raise pack_error(name, header.path, message, code="pack_entry_too_large", next_step="Leave it out of the pack.")
    is_bomb = header.size > limits.ratio_from_bytes and header.size > limits.ratio * max(1, header.packed)
    if is_bomb or (header.method == STORED and header.size != header.packed):
        message = f"An entry unpacks to more than {limits.ratio} times its size, or to another size than it says."
        raise pack_error(name, header.path, message, code="pack_entry_ratio", next_step=_REBUILD)


def _check_total(name: str, files: list[Header], limits: Limits) -> None:
    if sum(header.size for header in files) > limits.total_bytes:
        message = f"It unpacks to more than {limits.total_bytes} bytes."
        raise pack_error(name, "", message, code="pack_total_too_large", next_step="Leave large assets out of it.")


def _tiled(name: str, data: bytes, headers: tuple[Header, ...], stop: int) -> dict[Header, int]:
    """Where each entry's bytes begin: they lie one after the other, from the first byte to the list of entries.

    Raises Invalid (`pack_entries_overlap`, `pack_data_around`, `pack_truncated`, `pack_header_differs`).
    """
    starts, at = dict[Header, int](), 0
    for header in sorted(headers, key=lambda header: header.start):
        if header.start < at:
            message = "An entry lies within another one."
            raise pack_error(name, header.path, message, code="pack_entries_overlap", next_step=_REBUILD)
        if header.start > at:
            message = "Something stands before an entry that belongs to none."
            raise pack_error(name, header.path, message, code="pack_data_around", next_step=_REBUILD)
        starts[header], at = data_at(name, data, header, stop)
    if at != stop:
        message = "Something stands after the last entry that belongs to none."
        raise pack_error(name, "", message, code="pack_data_around", next_step=_REBUILD)
    return starts


def _inflated(packed: bytes, size: int) -> bytes | None:
    """What some bytes are unpacked, if exactly that many; None for anything else."""
    stream = zlib.decompressobj(-15)
    try:
        found = stream.decompress(packed, size + 1)
    except zlib.error:
        return None
    return found if stream.eof and not stream.unused_data and not stream.unconsumed_tail else None
