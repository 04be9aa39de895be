"""The folders of a SquashFS file, walked from its root: every path with its inode, each inode once."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from lichen.packs.container.limits import Limits
from lichen.packs.squash import layout
from lichen.packs.squash.inodes import FileNode, FolderNode, place_in, read_inode
from lichen.packs.squash.layout import Super
from lichen.packs.squash.limits import FETCH, bundle_error, check_paths, checked_step
from lichen.packs.squash.unpacking import Table, read_table


class Named(NamedTuple):
    """An entry of a folder: its path, and where its inode is."""

    path: str
    block: int
    offset: int


class Tree(NamedTuple):
    """The files of an image by path, and the folders, in order."""

    files: dict[str, FileNode]
    folders: tuple[str, ...]


def read_tree(name: str, data: bytes, about: Super, limits: Limits) -> Tree:
    """Everything that is in it. Raises Invalid (`bundle_…`)."""
    most = limits.entries * 1_024 + limits.total_bytes // 1_024
    inodes = read_table(name, data, about, about.inode_table, about.folder_table, most=most)
    names = read_table(name, data, about, about.folder_table, about.folder_end, most=most)
    root = Named("", about.root >> 16, about.root & 0xFFFF)
    files, folders, seen, waiting = dict[str, FileNode](), list[str](), set[int](), [root]
    while waiting:
        here = waiting.pop()
        at = place_in(name, here.path, inodes, here.block, here.offset)
        if at in seen:
            message = "An entry has several names, or a folder lies in itself; a bundle holds each once."
            raise bundle_error(name, here.path, message, code="bundle_entry_linked")
        seen.add(at)
        if len(seen) > limits.entries:
            message = f"It has more than {limits.entries} entries."
            raise bundle_error(name, "", message, code="bundle_too_large", next_step="Leave large assets out of it.")
        found = read_inode(name, here.path, inodes, about, here.block, here.offset)
        if isinstance(found, FileNode):
            files[here.path] = found
            continue
        folders.append(here.path)
        waiting += _listed(name, here.path, names, found, limits)
    if "" in files:
        raise bundle_error(name, "", "Its root is a file.", code="bundle_header")
    check_paths(name, sorted((*files, *filter(None, folders))), limits)
    return Tree(dict(sorted(files.items())), tuple(sorted(filter(None, folders))))


def _listed(name: str, path: str, names: Table, folder: FolderNode, limits: Limits) -> Iterator[Named]:
    """The entries of a folder, in the order of their names. Raises Invalid (`bundle_truncated`, `bundle_header`,
    `bundle_entry_twice`, `bundle_path`)."""
    size = folder.size - 3
    if size <= 0:
        return
    at = place_in(name, path, names, folder.block, folder.offset)
    stop, before, count = at + size, b"", 0
    if stop > len(names.data):
        raise bundle_error(name, path, "A folder's list is cut off.", code="bundle_truncated", next_step=FETCH)
    while at < stop:
        run, block, _ = _fields(name, path, layout.RUN, names.data, at, stop)
        at += layout.RUN.size
        for _ in range(run + 1):
            offset, _, _, length = _fields(name, path, layout.ENTRY, names.data, at, stop)
            at += layout.ENTRY.size + length + 1
            raw = names.data[at - length - 1 : min(at, stop)]
            if len(raw) != length + 1:
                raise bundle_error(name, path, "A name is cut off.", code="bundle_truncated", next_step=FETCH)
            if raw <= before:
                message = "A folder's entries are out of order, or two have one name."
                raise bundle_error(name, path, message, code="bundle_entry_twice")
            before, count = raw, count + 1
            if count > limits.entries:
                raise bundle_error(name, path, "A folder has too many entries.", code="bundle_too_large")
            yield Named(checked_step(name, f"{path}/" if path else "", raw), block, offset)


def _fields(name: str, path: str, form: struct.Struct, data: bytes, at: int, stop: int) -> tuple[int, ...]:
    if at + form.size > stop:
        raise bundle_error(name, path, "A folder's list is cut off.", code="bundle_truncated", next_step=FETCH)
    return form.unpack_from(data, at)
