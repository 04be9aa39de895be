"""A SquashFS file with every entry checked before anything is unpacked, and each unpacked into memory, never by name.

Source: "A better zip bomb" (Fifield, 2019), whose overlap is a fragment's here; CVE-2021-40153 and CVE-2021-41072 of
unsquashfs, names and links that lead out of the folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from lichen.core.words.errors import NotFound
from lichen.packs.container.limits import Limits
from lichen.packs.squash import layout
from lichen.packs.squash.inodes import FileNode
from lichen.packs.squash.layout import Super, read_super
from lichen.packs.squash.limits import FETCH, LIMITS, bundle_error
from lichen.packs.squash.tree import read_tree
from lichen.packs.squash.unpacking import read_table, unpacked


class Fragment(msgspec.Struct, frozen=True):
    """A block that holds the ends of files: where it lies, what its size says, and how much it unpacks to."""

    start: int
    said: int
    size: int


class Image(msgspec.Struct, frozen=True):
    """The files of a bundle by path, in order. `name` is what errors call it."""

    name: str
    data: bytes
    about: Super
    files: Mapping[str, FileNode]
    folders: tuple[str, ...]
    fragments: Mapping[int, Fragment]
    unpacked_fragments: dict[int, bytes] = msgspec.field(default_factory=dict[int, bytes])

    def __contains__(self, path: str) -> bool:
        return path in self.files

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises NotFound (`bundle_file_missing`), Invalid (`bundle_block`)."""
        node = self.files.get(path)
        if node is None:
            step = "`lichen bundle inspect BUNDLE` lists the files there are."
            raise NotFound(
                "The bundle has no such file.", code="bundle_file_missing", place=f"{self.name}!/{path}", next_step=step
            )
        found, at = bytearray(), node.start
        for said in node.blocks:
            wanted = min(self.about.block_bytes, node.size - len(found))
            found += self._block(path, at, said, wanted) if said else bytes(wanted)
            at += _length(said)
        if node.fragment is not None and len(found) < node.size:
            end = self._fragment(path, node.fragment)
            found += end[node.offset : node.offset + node.size - len(found)]
        return bytes(found)

    def _fragment(self, path: str, number: int) -> bytes:
        found = self.unpacked_fragments.get(number)
        if found is None:
            said = self.fragments[number]
            found = self.unpacked_fragments[number] = self._block(path, said.start, said.said, said.size)
        return found

    def _block(self, path: str, at: int, said: int, size: int) -> bytes:
        packed = self.data[at : at + _length(said)]
        found = packed if said & layout.STORED_DATA else unpacked(self.about.compressor, packed, size)
        if found is None or len(found) != size:
            message = "An entry's bytes cannot be unpacked to the size it says."
            raise bundle_error(self.name, path, message, code="bundle_block", next_step=FETCH)
        return found


def opened_file(path: Path, limits: Limits = LIMITS) -> Image:
    """The bundle in a file. Raises NotFound (`file_missing`), Invalid (`bundle_…`)."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.archive_bytes + 1)
    except OSError:
        raise NotFound("There is no such file.", code="file_missing", place=str(path)) from None
    return opened(path.name, data, limits)


def opened(name: str, data: bytes, limits: Limits = LIMITS) -> Image:
    """The bundle in some bytes, with every entry checked; none is unpacked yet. Raises Invalid (`bundle_…`)."""
    about = read_super(name, data, limits)
    tree = read_tree(name, data, about, limits)
    spans = _Spans(name, about)
    for path, node in tree.files.items():
        _check_file(name, path, node, limits)
        spans.add_blocks(path, node)
    if sum(node.size for node in tree.files.values()) > limits.total_bytes:
        message = f"It unpacks to more than {limits.total_bytes} bytes."
        raise bundle_error(name, "", message, code="bundle_too_large", next_step="Leave large assets out of it.")
    fragments = _fragments(name, data, about, tree.files)
    for number, each in fragments.items():
        spans.add(f"fragment {number}", each.start, each.said)
    spans.check()
    return Image(name, data, about, tree.files, tree.folders, fragments)


def _check_file(name: str, path: str, node: FileNode, limits: Limits) -> None:
    """Refuses a file that is too large, or much larger than it is packed. Raises Invalid (`bundle_too_large`,
    `bundle_ratio`)."""
    if node.size > limits.entry_bytes:
        message = f"An entry has more than {limits.entry_bytes} bytes."
        raise bundle_error(name, path, message, code="bundle_too_large", next_step="Leave it out of the bundle.")
    packed = sum(map(_length, node.blocks))
    if node.blocks and node.size > limits.ratio_from_bytes and node.size > limits.ratio * max(1, packed):
        message = f"An entry unpacks to more than {limits.ratio} times its size."
        raise bundle_error(name, path, message, code="bundle_ratio")


def _length(said: int) -> int:
    """How many bytes a block has in the file, by what stands for its size."""
    return said & ~layout.STORED_DATA


class _Spans:
    """Where blocks lie. A block may belong to several files that are alike; none lies partly in another one."""

    def __init__(self, name: str, about: Super) -> None:
        self._name, self._about = name, about
        self._found: dict[int, tuple[int, str]] = {}

    def add_blocks(self, path: str, node: FileNode) -> None:
        at = node.start
        for said in node.blocks:
            if said:
                self.add(path, at, said)
            at += _length(said)

    def add(self, path: str, start: int, said: int) -> None:
        """A block of a path. Raises Invalid (`bundle_header`, `bundle_overlap`)."""
        stop = start + _length(said)
        is_odd = not _length(said) or said >= 2 * layout.STORED_DATA or _length(said) > self._about.block_bytes
        if is_odd or start < layout.SUPER.size or stop > self._about.inode_table:
            message = "A block lies where none can be, or is larger than blocks are."
            raise bundle_error(self._name, path, message, code="bundle_header")
        if self._found.setdefault(start, (said, path))[0] != said:
            raise self._overlap(path)

    def check(self) -> None:
        """Refuses blocks that lie partly in one another. Raises Invalid (`bundle_overlap`)."""
        end = 0
        for start, (said, path) in sorted(self._found.items()):
            if start < end:
                raise self._overlap(path)
            end = start + _length(said)

    def _overlap(self, path: str) -> Exception:
        return bundle_error(self._name, path, "A block lies within another one.", code="bundle_overlap")


def _fragments(name: str, data: bytes, about: Super, files: Mapping[str, FileNode]) -> dict[int, Fragment]:
    """The fragments that files end in, as large as these ends reach. Raises Invalid (`bundle_header`,
    `bundle_overlap`, `bundle_truncated`)."""
    ends: dict[int, dict[int, tuple[int, str]]] = {}
    for path, node in files.items():
        if node.fragment is None:
            continue
        size = node.size % about.block_bytes
        if node.fragment >= about.fragments or node.offset + size > about.block_bytes or not size:
            raise bundle_error(name, path, "An entry ends where nothing is.", code="bundle_header")
        if ends.setdefault(node.fragment, {}).setdefault(node.offset, (size, path))[0] != size:
            raise bundle_error(name, path, "An entry lies within another one.", code="bundle_overlap")
    for within in ends.values():
        reached = 0
        for offset, (size, path) in sorted(within.items()):
            if offset < reached:
                raise bundle_error(name, path, "An entry lies within another one.", code="bundle_overlap")
            reached = offset + size
    if not ends:
        return {}
    listed = _fragment_list(name, data, about)
    reach = {number: max(offset + size for offset, (size, _) in within.items()) for number, within in ends.items()}
    return {number: Fragment(*listed[number], size) for number, size in sorted(reach.items())}


def _fragment_list(name: str, data: bytes, about: Super) -> list[tuple[int, int]]:
    """Where each fragment lies, and what its size says. Raises Invalid (`bundle_truncated`, `bundle_block`)."""
    blocks = -(-about.fragments * layout.FRAGMENT.size // layout.BLOCK_BYTES)
    at = about.fragment_table
    if at + 8 * blocks > about.used:
        raise bundle_error(name, "", "The list of fragments is cut off.", code="bundle_truncated", next_step=FETCH)
    first = int.from_bytes(data[at : at + 8], "little")
    if not about.folder_table <= first < at:
        raise bundle_error(name, "", "The list of fragments lies elsewhere.", code="bundle_header")
    table = read_table(name, data, about, first, at, most=blocks * layout.BLOCK_BYTES)
    if len(table.data) != about.fragments * layout.FRAGMENT.size:
        raise bundle_error(name, "", "The list of fragments has another length.", code="bundle_header")
    return [(start, said) for start, said, _ in layout.FRAGMENT.iter_unpack(table.data)]
