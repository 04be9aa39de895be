"""How many requests a way to a model carries at once, learnt from what the provider says of them (AIMD).

A window belongs to all who use the same key for the same model. Where they are one process, `InMemory` holds them;
`Shared` are those of several, who tell each other what they learn and how much each of them asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

import msgspec

SIZE_MAX: Final = 1_024.0  # requests at once, of one key to one model
CUT: Final = 0.5  # what is left of what was in flight when the provider said that it is too much
GROWTH: Final = 0.05  # of the window for each answer, which is as much for each window of answers
CLOSED_S_MAX: Final = 300.0  # so long a way is closed at most, whatever a provider asks for
WAYS_MAX: Final = 4_096  # that are remembered


class Way(NamedTuple):
    """One key's way to one model."""

    identity: str
    model: str


class Window(msgspec.Struct, frozen=True, gc=False):
    """So many requests at once, none before `closed_until_us`. `cut_us` is when it was last cut."""

    size: float = SIZE_MAX
    cut_us: int = 0
    closed_until_us: int = 0


def told(until_us: int, now_us: int) -> str:
    """Until when a way is closed, as people read it."""
    until = datetime.fromtimestamp(until_us / 1e6, UTC)
    return f"until {until:%H:%M:%S} UTC, {max(1, round((until_us - now_us) / 1e6))} s from now"


class Share(NamedTuple):
    """What of a window a process has: so many requests may be under way here, and `elsewhere` so many are."""

    places: int
    elsewhere: int = 0


Change = Callable[[Window], Window]
"""What one process learnt. It may be applied again, to a newer window."""


def grown(window: Window) -> Window:
    """After an answer: a place more for each window of answers, a twentieth of a window that is larger than twenty."""
    if window.size >= SIZE_MAX:
        return window
    return msgspec.structs.replace(window, size=min(SIZE_MAX, window.size + max(1.0 / window.size, GROWTH)))


def cut(window: Window, *, in_flight: int, begun_us: int, now_us: int, asked_s: float | None) -> Window:
    """After "too much": half of what was in flight, but once for all requests that were under way together, and closed
    for as long as the provider asks."""
    closed_us = round(min(max(asked_s or 0.0, 0.0), CLOSED_S_MAX) * 1e6)
    until_us = max(window.closed_until_us, now_us + closed_us)
    if begun_us < window.cut_us:
        return msgspec.structs.replace(window, closed_until_us=until_us)
    return Window(max(1.0, CUT * min(window.size, in_flight)), now_us, until_us)


class Windows(Protocol):
    """The windows of all ways, as all processes that share them know them. Nothing here waits."""

    @property
    def processes(self) -> int:
        """How many share them now, this one among them, as far as is known."""
        ...

    def of(self, way: Way) -> Window:
        """What is known now. A way nobody used yet is wide open."""
        ...

    def share(self, way: Way) -> Share:
        """What of the window this process has at this moment."""
        ...

    def use(self, way: Way, *, in_flight: int, waiting: int) -> None:
        """Says how much goes on here: as often as that changes."""
        ...

    def change(self, way: Way, change: Change) -> None:
        """Learns something. Others learn it as soon as may be."""
        ...

    def watch(self, learnt: Callable[[Way], None]) -> None:
        """Calls this in the event loop when a way that is waited for may have come to have a place here."""
        ...


class InMemory:
    """The windows of a process that shares them with no other. The least recently changed are forgotten."""

    processes = 1

    def __init__(self) -> None:
        self._windows: OrderedDict[Way, Window] = OrderedDict()

    def of(self, way: Way) -> Window:
        """What is known now."""
        return self._windows.get(way, Window())

    def share(self, way: Way) -> Share:
        """All of it."""
        return Share(max(1, int(self.of(way).size)))

    def use(self, way: Way, *, in_flight: int, waiting: int) -> None:
        """Nobody else wants to know."""

    def change(self, way: Way, change: Change) -> None:
        """Learns something."""
        known = self.of(way)
        learnt = change(known)
        if learnt is known:
            return
        self._windows[way] = learnt
        self._windows.move_to_end(way)
        while len(self._windows) > WAYS_MAX:
            self._windows.popitem(last=False)

    def watch(self, learnt: Callable[[Way], None]) -> None:
        """Nothing is learnt from anybody else."""
