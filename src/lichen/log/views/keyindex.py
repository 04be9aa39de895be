"""Which record of a stream has which key, when they are too many to keep their texts: twelve bytes a key.

Two keys count as one when all 64 bits of their hashes agree. The hash is Python's own, keyed anew in every process, so
nobody can look for such a pair, and among a million keys there is one by a chance of one in thirty million.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

_SLOTS = 1 << 15
_FULL = 20_000  # keys of a block: it stays sparse enough to be searched in a step or two


class _Block(NamedTuple):
    """A hash table with open addressing: a hash and a number in each slot that is taken."""

    hashes: array[int]
    numbers: array[int]


class KeyIndex:
    """Grows by one key at a time; none is ever moved, so no append takes long."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._left = 0  # free places in the last block

    def add(self, key: str, n: int) -> None:
        """The record `n` has this key, which none had before."""
        if not self._left:
            self._blocks.append(_Block(array("q", bytes(8 * _SLOTS)), array("I", bytes(4 * _SLOTS))))
            self._left = _FULL
        self._left -= 1
        hashed = _hash(key)
        hashes, numbers = self._blocks[-1]
        slot = hashed % _SLOTS
        while hashes[slot]:
            slot = (slot + 1) % _SLOTS
        hashes[slot], numbers[slot] = hashed, n

    def find(self, key: str) -> int | None:
        """Which record has the key."""
        hashed = _hash(key)
        for hashes, numbers in self._blocks:
            slot = hashed % _SLOTS
            while found := hashes[slot]:
                if found == hashed:
                    return numbers[slot]
                slot = (slot + 1) % _SLOTS
        return None


def _hash(key: str) -> int:
    return hash(key) or 1  # 0 is a free slot
