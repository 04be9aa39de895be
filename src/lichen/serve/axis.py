"""Time on a line: to scale where something happens, folded where nothing but waiting does."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

FOLD_PX = 46.0
TICK_PX = 96.0
_FOLD_FACTOR = 3
_FOLD_US_MIN = 2_000_000
_STEPS = (1, 2, 5)
_CLOCK_STEPS_US = tuple(n * 1_000_000 for n in (60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400))


class Piece(NamedTuple):
    """A stretch of time and where it is drawn. A folded one is not to scale."""

    start_us: int
    end_us: int
    left: float
    right: float
    is_folded: bool


class Tick(NamedTuple):
    """A moment with its distance from the beginning of its piece."""

    x: float
    offset_us: int


class Axis:
    """The line from `left` to `right` over these moments; `busy` are stretches in which something worked, `fold` is how
    wide a folded one is."""

    def __init__(
        self,
        moments: Iterable[int],
        busy: Sequence[tuple[int, int]],
        left: float,
        right: float,
        *,
        fold: float = FOLD_PX,
    ) -> None:
        stretches = list(pairwise(sorted(set(moments))))
        folded = _folded(stretches, busy)
        drawn_us = sum(end - start for start, end in stretches if (start, end) not in folded) or 1
        scale = max(1.0, right - left - fold * len(folded)) / drawn_us
        self.pieces: list[Piece] = []
        for start, end in stretches:
            is_folded = (start, end) in folded
            width = fold if is_folded else (end - start) * scale
            self.pieces.append(Piece(start, end, left, left + width, is_folded))
            left += width
        self._starts = [piece.start_us for piece in self.pieces]

    def x(self, at_us: int) -> float:
        """Where a moment is."""
        if not self.pieces:
            return 0.0
        piece = self.pieces[max(0, bisect_right(self._starts, at_us) - 1)]
        share = (at_us - piece.start_us) / (piece.end_us - piece.start_us)
        return piece.left + min(1.0, max(0.0, share)) * (piece.right - piece.left)

    @property
    def folds(self) -> list[Piece]:
        """The stretches that are not to scale."""
        return [piece for piece in self.pieces if piece.is_folded]

    @property
    def runs(self) -> list[Piece]:
        """What lies between the folds, each as one stretch."""
        found: list[Piece] = []
        for piece in self.pieces:
            if piece.is_folded:
                continue
            if found and found[-1].end_us == piece.start_us:
                found[-1] = found[-1]._replace(end_us=piece.end_us, right=piece.right)
            else:
                found.append(piece)
        return found

    def ticks(self, piece: Piece) -> list[Tick]:
        """Round distances from the beginning of a stretch, no closer than can be read."""
        width = piece.right - piece.left
        length_us = piece.end_us - piece.start_us
        if width < TICK_PX or not length_us:
            return []
        step = _round_up(length_us * TICK_PX / width)
        count = length_us // step
        return [Tick(piece.left + width * (i * step) / length_us, i * step) for i in range(1, count + 1)]


def _folded(stretches: list[tuple[int, int]], busy: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Stretches in which nothing worked, as long as one is longer than everything else together, thrice."""
    idle = [s for s in stretches if not any(start < s[1] and end > s[0] for start, end in busy)]
    rest_us = sum(end - start for start, end in stretches)
    found: set[tuple[int, int]] = set()
    for start, end in sorted(idle, key=lambda s: s[0] - s[1]):
        rest_us -= end - start
        if end - start < _FOLD_US_MIN or end - start < _FOLD_FACTOR * rest_us:
            break
        found.add((start, end))
    return found


def _round_up(us: float) -> int:
    """The next of 1, 2, 5, 10 …; from a minute on, what a clock counts in."""
    if us > 60_000_000:
        return next((step for step in _CLOCK_STEPS_US if step >= us), int(us))
    size = 1
    while True:
        for step in _STEPS:
            if step * size >= us:
                return step * size
        size *= 10
