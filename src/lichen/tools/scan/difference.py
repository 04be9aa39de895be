"""Two definitions of a tool beside each other, line by line, with nothing in them that cannot be seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher, unified_diff
from itertools import takewhile
from typing import Any, Final, Literal

import msgspec

Said = Mapping[str, Any]
"""What a server said of a tool."""

# Printable as Unicode has it, and yet nothing is seen: joiners, fillers, selectors of variants, a blank pattern.
_UNSEEN: Final = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)


class Row(msgspec.Struct, frozen=True):
    """One line of both, None where one of them has none. `head` and `tail` are how many characters at the beginning and
    at the end of a changed one are the same in both."""

    before: str | None
    after: str | None
    mark: Literal["same", "changed", "added", "removed"]
    head: int = 0
    tail: int = 0


def difference(pinned: Said | None, waiting: Said | None) -> tuple[str, ...]:
    """The lines that differ, as `diff -u` writes them; none where nothing waits."""
    if waiting is None:
        return ()
    return tuple(unified_diff(_lines(pinned), _lines(waiting), "pinned", "waiting", lineterm=""))


def beside(pinned: Said | None, waiting: Said | None) -> tuple[Row, ...]:
    """All lines of both, those that belong together in one row."""
    before, after = _lines(pinned), _lines(waiting)
    changes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return tuple(row for _, i, j, k, m in changes for row in _rows(before[i:j], after[k:m]))


def _rows(before: Sequence[str], after: Sequence[str]) -> Iterator[Row]:
    for at in range(max(len(before), len(after))):
        left = before[at] if at < len(before) else None
        right = after[at] if at < len(after) else None
        if left is None:
            yield Row(left, right, "added")
        elif right is None:
            yield Row(left, right, "removed")
        elif left == right:
            yield Row(left, right, "same")
        else:
            head = _alike(left, right)
            tail = _alike(left[head:][::-1], right[head:][::-1])
            yield Row(left, right, "changed", head, tail)


def _alike(one: str, other: str) -> int:
    """With how many characters both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _lines(said: Said | None) -> list[str]:
    if said is None:
        return []
    return [shown(line) for line in json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False).splitlines()]


def shown(text: str) -> str:
    """The text with every character that cannot be seen written out: `\\u{200b}`."""
    return "".join(c if c.isprintable() and c not in _UNSEEN else f"\\u{{{ord(c):x}}}" for c in text)
