"""The inodes of a SquashFS file: what a folder and a file say of themselves; whatever else there is, is refused."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, NoReturn

from lichen.packs.squash import layout
from lichen.packs.squash.layout import Super
from lichen.packs.squash.limits import FETCH, bundle_error
from lichen.packs.squash.unpacking import Table

_KINDS: Final = {3: "a symbolic link", 4: "a device", 5: "a device", 6: "a pipe", 7: "a socket"}


class FolderNode(NamedTuple):
    """A folder: where its list of entries begins, and how many bytes that has."""

    block: int
    offset: int
    size: int


class FileNode(NamedTuple):
    """A file: where its blocks begin, their sizes as they stand, its end in a fragment, and its size."""

    start: int
    size: int
    blocks: tuple[int, ...]
    fragment: int | None
    offset: int


def read_inode(name: str, path: str, table: Table, about: Super, block: int, offset: int) -> FolderNode | FileNode:
    """The inode at a place. Raises Invalid (`bundle_header`, `bundle_truncated`, `bundle_entry_special`)."""
    at = place_in(name, path, table, block, offset)
    kind = _unpack(name, path, layout.HEADER, table.data, at)[0]
    at += layout.HEADER.size
    match kind:
        case layout.BASIC_FOLDER:
            start, _, size, inner, _ = _unpack(name, path, layout.FOLDER, table.data, at)
            return FolderNode(start, inner, size)
        case layout.EXTENDED_FOLDER:
            _, size, start, _, _, inner, _ = _unpack(name, path, layout.LARGE_FOLDER, table.data, at)
            return FolderNode(start, inner, size)
        case layout.BASIC_FILE:
            start, fragment, inner, size = _unpack(name, path, layout.FILE, table.data, at)
            return _file(name, path, table, about, at + layout.FILE.size, (start, size, fragment, inner))
        case layout.EXTENDED_FILE:
            start, size, _, links, fragment, inner, _ = _unpack(name, path, layout.LARGE_FILE, table.data, at)
            if links != 1:
                _refuse_links(name, path)
            return _file(name, path, table, about, at + layout.LARGE_FILE.size, (start, size, fragment, inner))
        case _:
            told = _KINDS.get(kind - 7 if kind > 7 else kind, "a thing that no one knows")
            message = f"An entry is {told}; a bundle holds files and folders."
            raise bundle_error(name, path, message, code="bundle_entry_special")


def place_in(name: str, path: str, table: Table, block: int, offset: int) -> int:
    """Where a reference leads to in a table. Raises Invalid (`bundle_header`)."""
    start = table.starts.get(block)
    if start is None or offset >= layout.BLOCK_BYTES or start + offset > len(table.data):
        raise bundle_error(name, path, "An entry leads to where nothing begins.", code="bundle_header")
    return start + offset


def _file(name: str, path: str, table: Table, about: Super, at: int, said: tuple[int, int, int, int]) -> FileNode:
    start, size, fragment, offset = said
    has_end = fragment != layout.NONE
    count = size // about.block_bytes if has_end else -(-size // about.block_bytes)
    if at + 4 * count > len(table.data):
        raise bundle_error(name, path, "An entry's blocks are cut off.", code="bundle_truncated", next_step=FETCH)
    blocks = struct.unpack_from(f"<{count}I", table.data, at)
    return FileNode(start, size, blocks, fragment if has_end else None, offset)


def _refuse_links(name: str, path: str) -> NoReturn:
    message = "An entry has several names; a bundle holds each file once."
    raise bundle_error(name, path, message, code="bundle_entry_linked")


def _unpack(name: str, path: str, form: struct.Struct, data: bytes, at: int) -> tuple[int, ...]:
    if at + form.size > len(data):
        raise bundle_error(name, path, "A list is cut off.", code="bundle_truncated", next_step=FETCH)
    return form.unpack_from(data, at)
