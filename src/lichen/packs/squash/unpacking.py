"""Blocks of a SquashFS file, unpacked to no more than they may be: data, fragments, and the tables of metadata."""

from __future__ import annotations

import lzma
import zlib
from typing import Final, NamedTuple

from lichen.packs.squash.layout import BLOCK_BYTES, STORED_META, Super
from lichen.packs.squash.limits import FETCH, bundle_error

_MEMORY: Final = 64 * 1024 * 1024


class Table(NamedTuple):
    """A table of metadata as one text of bytes, and where in it each block of the file begins."""

    data: bytes
    starts: dict[int, int]


def unpacked(kind: str, data: bytes, most: int) -> bytes | None:
    """What a block unpacks to; None for one that is broken, goes on, or has more than `most` bytes."""
    try:
        if kind == "gzip":
            stream = zlib.decompressobj()
            found = stream.decompress(data, most + 1)
            is_whole = stream.eof and not stream.unused_data
        else:
            form = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
            other = lzma.LZMADecompressor(form, memlimit=_MEMORY)
            found = other.decompress(data, most + 1)
            is_whole = (other.eof and not other.unused_data) or kind == "lzma"
    except (zlib.error, lzma.LZMAError):
        return None
    return found if is_whole and len(found) <= most else None


def read_table(name: str, data: bytes, about: Super, start: int, stop: int, *, most: int) -> Table:
    """All blocks of metadata between two places. Raises Invalid (`bundle_truncated`, `bundle_block`,
    `bundle_too_large`)."""
    whole, starts, at = bytearray(), dict[int, int](), start
    while at < stop:
        starts[at - start] = len(whole)
        block, at = read_block(name, data, about, at, stop)
        whole += block
        if len(whole) > most:
            message = "The lists of what is in it are longer than so many entries need."
            raise bundle_error(name, "", message, code="bundle_too_large")
    return Table(bytes(whole), starts)


def read_block(name: str, data: bytes, about: Super, at: int, stop: int) -> tuple[bytes, int]:
    """A block of metadata and where the next begins. Raises Invalid (`bundle_truncated`, `bundle_block`)."""
    size = int.from_bytes(data[at : at + 2], "little")
    is_stored, size = bool(size & STORED_META), size & ~STORED_META
    if at + 2 + size > stop:
        raise bundle_error(name, "", "A list ends within a block.", code="bundle_truncated", next_step=FETCH)
    packed = data[at + 2 : at + 2 + size]
    found = packed if is_stored else unpacked(about.compressor, packed, BLOCK_BYTES)
    if not found or len(found) > BLOCK_BYTES:
        raise bundle_error(name, "", "A block cannot be unpacked.", code="bundle_block", next_step=FETCH)
    return found, at + 2 + size
