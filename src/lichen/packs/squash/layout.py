"""What a SquashFS 4.0 file is made of: its superblock, and the headers of inodes, directories and fragments.

Source: Documentation/filesystems/squashfs.rst of Linux, and `squashfs_fs.h` of squashfs-tools 4.5.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from lichen.packs.container.limits import Limits
from lichen.packs.squash.limits import FETCH, bundle_error

MAGIC: Final = 0x73717368
SUPER: Final = struct.Struct("<5I6H8Q")
HEADER: Final = struct.Struct("<4H2I")  # of every inode: type, mode, uid, gid, mtime, number
FOLDER: Final = struct.Struct("<2I2HI")  # start, nlink, size + 3, offset, parent
LARGE_FOLDER: Final = struct.Struct("<4I2HI")  # nlink, size + 3, start, parent, indexes, offset, xattr
FILE: Final = struct.Struct("<4I")  # start, fragment, offset in it, size
LARGE_FILE: Final = struct.Struct("<3Q4I")  # start, size, sparse, nlink, fragment, offset in it, xattr
RUN: Final = struct.Struct("<3I")  # of entries of a directory: count - 1, start of their inodes, number
ENTRY: Final = struct.Struct("<HhHH")  # offset, number less the run's, type, length of the name - 1
FRAGMENT: Final = struct.Struct("<QII")
NONE: Final = 0xFFFFFFFF
NOWHERE: Final = 0xFFFFFFFFFFFFFFFF
BLOCK_BYTES: Final = 8_192  # of metadata, unpacked
STORED_META: Final = 0x8000
STORED_DATA: Final = 0x1000000

BASIC_FOLDER, BASIC_FILE, EXTENDED_FOLDER, EXTENDED_FILE = 1, 2, 8, 9
COMPRESSORS: Final = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
READ: Final = ("gzip", "lzma", "xz")


class Super(NamedTuple):
    """What the superblock says: sizes, the compressor's name, and where the tables begin."""

    inodes: int
    block_bytes: int
    fragments: int
    compressor: str
    root: int
    used: int
    inode_table: int
    folder_table: int
    folder_end: int
    fragment_table: int


def read_super(name: str, data: bytes, limits: Limits) -> Super:
    """The superblock. Raises Invalid (`bundle_not_squashfs`, `bundle_too_large`, `bundle_truncated`, `bundle_header`,
    `bundle_compression`)."""
    if len(data) > limits.archive_bytes:
        message = f"It has more than {limits.archive_bytes} bytes."
        raise bundle_error(name, "", message, code="bundle_too_large", next_step="Leave large assets out of it.")
    if len(data) < SUPER.size or int.from_bytes(data[:4], "little") != MAGIC:
        raise _other(name, data)
    fields = SUPER.unpack_from(data)
    _, inodes, _, block, fragments, compressor, log, flags, ids, major, minor = fields[:11]
    root, used, id_table, _, inode_table, folder_table, fragment_table, export = fields[11:]
    if (major, minor) != (4, 0) or not 12 <= log <= 20 or block != 1 << log or not ids:
        message = "It is no SquashFS of version 4.0, or its blocks have a size that none has."
        raise bundle_error(name, "", message, code="bundle_header")
    if used > len(data):
        raise bundle_error(name, "", "It ends before its end.", code="bundle_truncated", next_step=FETCH)
    if data[used:].strip(b"\0") or len(data) - used > 1024 * 1024:
        raise bundle_error(name, "", "Something stands after its end.", code="bundle_header")
    if inodes > 2 * limits.entries or fragments > limits.entries:
        message = f"It has more than {limits.entries} entries."
        raise bundle_error(name, "", message, code="bundle_too_large", next_step="Leave large assets out of it.")
    del flags  # says how it was made; each block says for itself whether it is packed
    later = [each for each in (fragment_table, export, id_table) if each != NOWHERE]
    ends = [each for each in (*_first_blocks(data, later, used), used) if each >= folder_table]
    end = min(ends, default=0)
    if not SUPER.size <= inode_table < folder_table <= end <= used:
        message = "Its tables do not lie one after the other within it."
        raise bundle_error(name, "", message, code="bundle_header")
    kind = COMPRESSORS.get(compressor, f"number {compressor}")
    if kind not in READ:
        message = f"It is compressed by {kind}, which is not read here."
        step = f"Build it anew with `lichen bundle build`, or with another tool and one of {', '.join(READ)}."
        raise bundle_error(name, "", message, code="bundle_compression", next_step=step)
    return Super(inodes, block, fragments, kind, root, used, inode_table, folder_table, end, fragment_table)


def _first_blocks(data: bytes, tables: list[int], used: int) -> list[int]:
    """Where what a table lists begins: the list itself stands after it."""
    starts = (int.from_bytes(data[at : at + 8], "little") for at in tables if at + 8 <= used)
    return [*tables, *starts]


def _other(name: str, data: bytes) -> Exception:
    """What something that is no SquashFS file is instead."""
    known = ((b"PK\x03\x04", "It is a ZIP file, as packs are"), (b"\x1f\x8b", "It is packed by gzip"))
    told = next((words for mark, words in known if data.startswith(mark)), "It is something else")
    message = f"{told}, and a bundle is a SquashFS file or a folder."
    return bundle_error(name, "", message, code="bundle_not_squashfs")
