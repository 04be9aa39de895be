"""How the places of a window are divided among the processes that use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

SLOT_US: Final = 500_000  # how long a place that cannot be divided belongs to the same process


class Use(msgspec.Struct, frozen=True, gc=False):
    """How many requests of a process are under way on a way, and how many wait for a place there."""

    in_flight: int = 0
    waiting: int = 0

    @property
    def wanted(self) -> int:
        """How many places it could fill."""
        return self.in_flight + self.waiting


class Other(msgspec.Struct, frozen=True, gc=False):
    """Another process on the same way: what it last said, which counts until `until_us`."""

    member: str
    use: Use
    until_us: int


def places(size: int, mine: str, others: Sequence[Other], now_us: int) -> int:
    """How many places of a window `mine` may fill at this moment: an equal share, and what others leave of theirs.

    Places that do not divide go round, as do all of them where there are fewer than processes. If everybody knows the
    same of everybody, no more are filled than there are, and none stays empty that somebody wants.
    """
    left, rivals = size, list(others)
    while modest := [other for other in rivals if other.use.wanted <= left // (len(rivals) + 1)]:
        left -= sum(other.use.wanted for other in modest)
        rivals = [other for other in rivals if other not in modest]
    each, over = divmod(left, len(rivals) + 1)
    return each + (_turn(mine, rivals, now_us) < over)


def _turn(mine: str, rivals: Sequence[Other], now_us: int) -> int:
    """Who of them gets one more: the first so many by this number, which goes round."""
    members = sorted((mine, *(rival.member for rival in rivals)))
    return (members.index(mine) + now_us // SLOT_US) % len(members)
