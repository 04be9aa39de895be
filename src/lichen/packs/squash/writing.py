"""A SquashFS file, written: the same files give the same bytes, on every machine and at any time.

Nothing is compressed: what a library compresses to changes with its version, and packs are archives themselves. Every
file belongs to root and may be read by all, as upstream's bundles are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lichen.packs.squash import layout
from lichen.packs.squash.limits import LIMITS, check_paths, checked_step

_BLOCK: Final = 131_072
_FLAGS: Final = 0x1 | 0x2 | 0x8 | 0x10 | 0x200 | 0x800  # nothing packed, no fragments, no attributes
_RUN_MAX: Final = 256


def squashed(name: str, files: Mapping[str, bytes]) -> bytes:
    """A SquashFS file of these files by path. Raises Invalid (`bundle_path`, `bundle_entry_twice`)."""
    for path in files:
        above = ""
        for step in path.split("/"):
            above = f"{checked_step(name, above, step.encode())}/"
    folders = {"/".join(path.split("/")[:i]) for path in files for i in range(1, path.count("/") + 1)}
    check_paths(name, sorted((*files, *folders)), LIMITS)
    return _Writer(files, folders).whole()


class _Writer:
    """Writes data, then inodes with what lists them, deepest first: a folder's list names inodes that are there."""

    def __init__(self, files: Mapping[str, bytes], folders: set[str]) -> None:
        self._files = files
        self._inside: dict[str, list[str]] = {"": [], **{folder: [] for folder in folders}}
        for path in (*files, *folders):
            self._inside[path.rpartition("/")[0]].append(path)
        self._numbers = {path: i for i, path in enumerate(("", *sorted((*files, *folders))), 1)}
        self._data, self._inodes, self._names = bytearray(), bytearray(), bytearray()
        self._places: dict[str, int] = {}

    def whole(self) -> bytes:
        for path in sorted(self._files):
            self._file(path, self._files[path])
        for path in sorted(self._inside, key=lambda path: (-path.count("/") if path else 1, path)):
            self._folder(path)
        inodes = layout.SUPER.size + len(self._data)
        tables = (_blocks(self._inodes), _blocks(self._names), _blocks(bytes(4)))
        names = inodes + len(tables[0])
        ids = names + len(tables[1])
        end = ids + len(tables[2])
        block, offset = _split(self._places[""])
        head = layout.SUPER.pack(
            layout.MAGIC, len(self._numbers), 0, _BLOCK, 0, 1, _BLOCK.bit_length() - 1, _FLAGS, 1, 4, 0,
            block << 16 | offset, end + 8, end, layout.NOWHERE, inodes, names, layout.NOWHERE, layout.NOWHERE,
        )  # fmt: skip
        return b"".join((head, self._data, *tables, ids.to_bytes(8, "little")))

    def _inode(self, path: str, kind: int, mode: int) -> None:
        self._places[path] = len(self._inodes)
        self._inodes += layout.HEADER.pack(kind, mode, 0, 0, 0, self._numbers[path])

    def _file(self, path: str, data: bytes) -> None:
        start = layout.SUPER.size + len(self._data)
        self._inode(path, layout.BASIC_FILE, 0o644)
        self._inodes += layout.FILE.pack(start if data else 0, layout.NONE, 0, len(data))
        for at in range(0, len(data), _BLOCK):
            block = data[at : at + _BLOCK]
            self._data += block
            self._inodes += (len(block) | layout.STORED_DATA).to_bytes(4, "little")

    def _folder(self, path: str) -> None:
        start = len(self._names)
        inside = sorted(self._inside[path], key=lambda path: path.rpartition("/")[2].encode())
        while inside:
            run = self._run(inside)
            del inside[: len(run)]
        size, (block, offset) = len(self._names) - start + 3, _split(start)
        folders = sum(each in self._inside for each in self._inside[path])
        parent = self._numbers[path.rpartition("/")[0]] if path else len(self._numbers) + 1
        if size <= 0xFFFF:
            self._inode(path, layout.BASIC_FOLDER, 0o755)
            self._inodes += layout.FOLDER.pack(block, folders + 2, size, offset, parent)
        else:
            self._inode(path, layout.EXTENDED_FOLDER, 0o755)
            self._inodes += layout.LARGE_FOLDER.pack(folders + 2, size, block, parent, 0, offset, layout.NONE)

    def _run(self, inside: list[str]) -> list[str]:
        """Lists the first entries of some whose inodes lie in one block, and have numbers near the first's."""
        first = inside[0]
        block, number = _split(self._places[first])[0], self._numbers[first]
        run: list[str] = []
        for path in inside[:_RUN_MAX]:
            if _split(self._places[path])[0] != block or abs(self._numbers[path] - number) > 0x7FFF:
                break
            run.append(path)
        self._names += layout.RUN.pack(len(run) - 1, block, number)
        for path in run:
            raw = path.rpartition("/")[2].encode()
            kind = layout.BASIC_FOLDER if path in self._inside else layout.BASIC_FILE
            away = self._numbers[path] - number
            self._names += layout.ENTRY.pack(_split(self._places[path])[1], away, kind, len(raw) - 1) + raw
        return run


def _split(at: int) -> tuple[int, int]:
    """A place in a table that is not packed, as the place of its block in the file and the one in the block."""
    return at // layout.BLOCK_BYTES * (layout.BLOCK_BYTES + 2), at % layout.BLOCK_BYTES


def _blocks(table: bytes | bytearray) -> bytes:
    """A table, in blocks that each say their size."""
    parts = (bytes(table[at : at + layout.BLOCK_BYTES]) for at in range(0, len(table), layout.BLOCK_BYTES))
    return b"".join((len(part) | layout.STORED_META).to_bytes(2, "little") + part for part in parts)
