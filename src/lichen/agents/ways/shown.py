"""The pieces of a reply as several tries bring them: who looks on is told when they start over."""

from __future__ import annotations

from lichen.core.ports.model import Delta, Deltas

AGAIN = Delta("", "again")


class Shown:
    """Passes pieces on to `deltas`, and remembers whether any were seen."""

    def __init__(self, deltas: Deltas | None) -> None:
        self._deltas = deltas
        self.is_any = False

    @property
    def deltas(self) -> Deltas | None:
        """Where a try puts its pieces, None if nobody looks on."""
        return self._add if self._deltas is not None else None

    def again(self) -> None:
        """What was seen so far came to nothing: the next pieces are those of another try."""
        if self.is_any and self._deltas is not None:
            self._deltas(AGAIN)
        self.is_any = False

    def _add(self, piece: Delta) -> None:
        if self._deltas is not None:
            self.is_any = True
            self._deltas(piece)
