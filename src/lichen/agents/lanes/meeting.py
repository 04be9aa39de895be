"""Where processes on the same ways meet: what each tells the others, and what it hears of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from lichen.agents.lanes.division import Other, Use
from lichen.agents.lanes.window import CLOSED_S_MAX, Change, Way, Window

LEASE_S: Final = 3.0  # so long counts what a process said of itself; one that was killed says nothing more
FORGOTTEN_S: Final = 3_600.0  # after so long a window that nobody changed is wide open again
WAYS_MAX: Final = 4_096  # that are kept


class Told(msgspec.Struct, frozen=True):
    """What `member` says at `now_us`: what it learnt since it last did, in order, and how much goes on with it.

    A way that is in neither is one that it has left.
    """

    member: str
    now_us: int
    learnt: Mapping[Way, Sequence[Change]]
    uses: Mapping[Way, Use]


class Heard(msgspec.Struct, frozen=True):
    """The windows of the ways that were told of, who else is on them, and how many others there are on any way."""

    windows: Mapping[Way, Window]
    others: Mapping[Way, tuple[Other, ...]]
    processes: int = 0


class Meeting(Protocol):
    """A place that processes of one installation share. One instance belongs to one process."""

    def exchange(self, told: Told) -> Heard:
        """Takes what a process says, as one change that others see whole or not at all. May wait for them, shortly.

        Raises OSError where it is not to be had now, with nothing of it taken.
        """
        ...

    def close(self) -> None:
        """Lets go of it."""
        ...


def learnt(window: Window, changes: Sequence[Change], now_us: int) -> Window:
    """The window after these changes. A clock that was set back closes no way for longer than a provider may."""
    for change in changes:
        window = change(window)
    closed_us = min(window.closed_until_us, now_us + round(CLOSED_S_MAX * 1e6))
    return Window(window.size, min(window.cut_us, now_us), closed_us)


def counts(until_us: int, now_us: int) -> bool:
    """Whether what a process said until then still counts. Nobody speaks for longer than a lease."""
    return now_us < until_us <= now_us + round(LEASE_S * 1e6)
