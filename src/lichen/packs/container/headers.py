"""The headers of a ZIP file, as they stand: the end, the central directory, and what stands before each entry's bytes.

Source: APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.9 (descriptor), 4.3.12 (central), 4.3.16 (end).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from lichen.packs.container.limits import Limits, pack_error

END: Final = struct.Struct("<4s4H2LH")
CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
LOCAL: Final = struct.Struct("<4s5H3L2H")
ENCRYPTED, DESCRIBED, STRONG, UTF8, MASKED = 0x1, 0x8, 0x40, 0x800, 0x2000
_EXTRA_ZIP64, _EXTRA_NAME = 0x0001, 0x7075
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
_REBUILD: Final = "Build the pack anew, with `lichen pack build`."
_FETCH: Final = "Fetch the file again; it ends too early or was changed."


class End(NamedTuple):
    """Where the central directory lies, and of how many entries it tells."""

    entries: int
    start: int
    stop: int


class Header(NamedTuple):
    """One entry as the central directory tells of it."""

    path: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    start: int


def read_end(name: str, data: bytes, limits: Limits) -> End:
    """The end of the file. Raises Invalid (`pack_truncated`, `pack_zip64`, `pack_data_around`, `pack_entries_many`)."""
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - END.size - _FULL_16))
    if at < 0 or at + END.size > len(data):
        raise pack_error(name, "", "The end of the ZIP file is missing.", code="pack_truncated", next_step=_FETCH)
    _, disk, first, here, entries, size, start, comment = END.unpack_from(data, at)
    if disk or first or here != entries:
        message = "It is one of several parts of a ZIP file."
        raise pack_error(name, "", message, code="pack_in_parts", next_step=_REBUILD)
    if _FULL_16 in (entries, comment) or _FULL_32 in (size, start) or data[max(0, at - 20) : at][:4] == b"PK\x06\x07":
        message = "It is a ZIP64 file, which no pack of allowed size needs."
        raise pack_error(name, "", message, code="pack_zip64", next_step=_REBUILD)
    if at + END.size != len(data) or comment:
        message = "Something stands after the end of the ZIP file, or as its comment."
        raise pack_error(name, "", message, code="pack_data_around", next_step=_REBUILD)
    if start + size != at:
        message = "The list of entries is not where the end of the file says, or something stands beside it."
        raise pack_error(name, "", message, code="pack_data_around", next_step=_REBUILD)
    if entries > limits.entries:
        message = f"It has more than {limits.entries} entries."
        raise pack_error(name, "", message, code="pack_entries_many", next_step=_REBUILD)
    return End(entries, start, at)


def read_directory(name: str, data: bytes, end: End) -> Iterator[Header]:
    """Every entry of the central directory. Raises Invalid (`pack_truncated`, `pack_zip64`, `pack_path_encoding`)."""
    at = end.start
    for _ in range(end.entries):
        if at + CENTRAL.size > end.stop or data[at : at + 4] != b"PK\x01\x02":
            message = "The list of entries ends before its last one."
            raise pack_error(name, "", message, code="pack_truncated", next_step=_FETCH)
        fields = CENTRAL.unpack_from(data, at)
        names = fields[10:13]
        after = at + CENTRAL.size + sum(names)
        raw = data[at + CENTRAL.size : at + CENTRAL.size + names[0]]
        extra = data[at + CENTRAL.size + names[0] : after - names[2]]
        if after > end.stop:
            raise pack_error(name, "", "The list of entries is cut off.", code="pack_truncated", next_step=_FETCH)
        header = _header(name, fields, raw)
        _check_extra(name, header.path, extra)
        yield header
        at = after
    if at != end.stop:
        message = "The list of entries holds more than it is said to."
        raise pack_error(name, "", message, code="pack_data_around", next_step=_REBUILD)


def _header(name: str, fields: tuple[int, ...], raw: bytes) -> Header:
    flags, method, crc, packed, size, disk = fields[3], fields[4], fields[7], fields[8], fields[9], fields[13]
    path = text_of(name, raw, flags)
    if _FULL_32 in (packed, size, fields[16]) or disk:
        message = "An entry is as large as only ZIP64 can say, or lies in another file."
        raise pack_error(name, path, message, code="pack_zip64", next_step=_REBUILD)
    return Header(path, flags, method, crc, packed, size, fields[15] >> 16, fields[16])


def text_of(name: str, raw: bytes, flags: int) -> str:
    """A path as text: UTF-8 where the entry says so, else ASCII. Raises Invalid (`pack_path_encoding`)."""
    try:
        return raw.decode("utf-8" if flags & UTF8 else "ascii")
    except UnicodeDecodeError:
        message = "A path is not in the encoding that its entry says."
        raise pack_error(name, raw.decode("latin-1"), message, code="pack_path_encoding", next_step=_REBUILD) from None


def _check_extra(name: str, path: str, extra: bytes) -> None:
    """Refuses extra fields that say size or name otherwise. Raises Invalid (`pack_zip64`, `pack_header_differs`)."""
    while extra:
        kind, size = struct.unpack("<2H", extra[:4]) if len(extra) >= 4 else (0, _FULL_16)
        if size + 4 > len(extra):
            message = "What an entry says of itself is cut off."
            raise pack_error(name, path, message, code="pack_header_differs", next_step=_REBUILD)
        if kind == _EXTRA_ZIP64:
            raise pack_error(name, path, "An entry says its size as ZIP64 does.", code="pack_zip64", next_step=_REBUILD)
        if kind == _EXTRA_NAME:
            message = "An entry says its name twice."
            raise pack_error(name, path, message, code="pack_header_differs", next_step=_REBUILD)
        extra = extra[4 + size :]


def data_at(name: str, data: bytes, header: Header, stop: int) -> tuple[int, int]:
    """Where an entry's bytes begin, and where whatever belongs to it ends.

    Raises Invalid (`pack_truncated`, `pack_header_differs`): what stands before the bytes must say the same.
    """
    at = header.start
    if at + LOCAL.size > stop or data[at : at + 4] != b"PK\x03\x04":
        message = "There is no entry where the list says."
        raise pack_error(name, header.path, message, code="pack_header_differs", next_step=_REBUILD)
    _, _, flags, method, _, _, crc, packed, size, length, extra = LOCAL.unpack_from(data, at)
    begin = at + LOCAL.size + length + extra
    raw = data[at + LOCAL.size : at + LOCAL.size + length]
    after = begin + header.packed
    if after > stop:
        message = "The bytes of an entry are cut off."
        raise pack_error(name, header.path, message, code="pack_truncated", next_step=_FETCH)
    _check_extra(name, header.path, data[at + LOCAL.size + length : begin])
    said, listed = (crc, packed, size), (header.crc, header.packed, header.size)
    described = bool(flags & DESCRIBED)
    same = said == listed or (described and all(one in (0, two) for one, two in zip(said, listed, strict=True)))
    if text_of(name, raw, flags) != header.path or (flags, method) != (header.flags, header.method) or not same:
        message = "What stands before an entry's bytes is not what the list says of it."
        raise pack_error(name, header.path, message, code="pack_header_differs", next_step=_REBUILD)
    return begin, after + (_descriptor(name, data, header, after) if described else 0)


def _descriptor(name: str, data: bytes, header: Header, at: int) -> int:
    """How long what follows a described entry is. Raises Invalid (`pack_header_differs`)."""
    said = struct.pack("<3L", header.crc, header.packed, header.size)
    for signature in (b"PK\x07\x08", b""):
        if data[at : at + len(signature) + 12] == signature + said:
            return len(signature) + 12
    message = "What follows an entry's bytes is not what the list says of it."
    raise pack_error(name, header.path, message, code="pack_header_differs", next_step=_REBUILD)
