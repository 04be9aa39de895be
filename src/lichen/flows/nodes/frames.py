"""Where a run stands in its flows: what a planner is handed back, and all it knows. Linear in nodes, never history."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import msgspec

from lichen.core.ports.plan import STATE_BYTES_MAX, WaitRequest

FRAMES_MAX: Final = 8  # flows and branches within each other


class Output(msgspec.Struct, array_like=True, omit_defaults=True):
    """What a node gave last. `status` is `ok`, or what its routes were told; `error` is set where it failed."""

    payload: Any = None
    status: str = "ok"
    code: str = ""
    message: str = ""
    is_foreign: bool = False  # the code is a component's own word, which no record may hold in the clear
    input: Any = None  # what the node was given, where the flow reads that

    @property
    def ok(self) -> bool:
        """Whether it did what it should."""
        return not self.code


class Frame(msgspec.Struct, array_like=True):
    """One flow under way. `at` is the node it is at; `local` is that node's own, until it is left.

    `parked` holds while the node is done and its routes wait for a message that fits one of them. `strands` are the
    branches of a node that does several things at once, those that have begun. The first frame of a branch is of the
    same flow: `index` says which branch it is, and it reads what the frame below it has.
    """

    flow: str
    at: str
    entry: dict[str, Any]
    nodes: dict[str, Output] = {}
    vars: dict[str, Any] = {}
    slots: dict[str, Any] = {}
    prev: str = ""
    local: dict[str, Any] = {}
    parked: int = 0
    said: bool = False  # whether the node's text went to the customer already
    latest: dict[str, Any] = {}  # what came in since this flow began
    due_us: int = 0  # when the time of the node that called this flow is over; 0 for never
    is_fixed: bool = False  # something was done or said that is not done again
    strands: list[Strand] = []
    index: int = -1
    item: Any = None

    @property
    def is_branch(self) -> bool:
        """Whether this is the first frame of a branch."""
        return self.index >= 0

    def go(self, node: str) -> None:
        """Stands at `node` from now on."""
        self.at, self.local, self.parked, self.said, self.strands = node, {}, 0, False, []


class Strand(msgspec.Struct, array_like=True):
    """One line of work: flows that call each other, the one that is walked last. The whole run is one, and each branch.

    It `waits_for` a call or a wait, by its id. `held` is a wait that it asks for once others are over. A branch that
    is over has an `output`.
    """

    frames: list[Frame]
    waits_for: str = ""
    takes_talk: bool = False  # what it waits for is said in the conversation
    held: WaitRequest | None = None
    output: Output | None = None

    @property
    def is_over(self) -> bool:
        """Whether a branch has come to its end."""
        return self.output is not None


class Progress:
    """The run's own strand, with those below it. `later` is what was said meanwhile; `stale` are calls that nobody
    waits for any more. `visits` counts those since something came from outside. `alarm` is the timer that wakes the run
    at `alarm_us`, when a strand's time is over that has yet to ask. `is_older` where an older plan did not say what the
    run waits for."""

    def __init__(
        self,
        trunk: Strand,
        later: str = "",
        stale: tuple[str, ...] = (),
        visits: int = 0,
        *,
        alarm: str = "",
        alarm_us: int = 0,
    ) -> None:
        self.trunk = trunk
        self.later = later
        self.stale = list(stale)
        self.visits = visits
        self.alarm = alarm
        self.alarm_us = alarm_us
        self.is_older = not (trunk.waits_for or trunk.held or (trunk.frames and trunk.frames[-1].strands))

    @property
    def frames(self) -> list[Frame]:
        """The flows of the run's own strand."""
        return self.trunk.frames

    def strands(self) -> Iterator[tuple[Strand, tuple[Strand, ...]]]:
        """Every strand that is not over, each before those below it, with those above it."""
        waiting: list[tuple[Strand, tuple[Strand, ...]]] = [(self.trunk, ())]
        while waiting:
            strand, above = waiting.pop()
            yield strand, above
            below = [each for frame in strand.frames for each in frame.strands if not each.is_over]
            waiting += [(each, (*above, strand)) for each in reversed(below)]


class _Kept(msgspec.Struct, array_like=True):
    frames: list[Frame]
    later: str = ""
    waits_for: str = ""
    stale: tuple[str, ...] = ()
    takes_talk: bool = False
    held: WaitRequest | None = None
    visits: int = 0
    alarm: str = ""
    alarm_us: int = 0


_DECODER = msgspec.msgpack.Decoder(_Kept)


def encode(progress: Progress) -> bytes | None:
    """The progress as a planner's state, or None when it does not fit into one. Nothing is walked after that."""
    trunk = progress.trunk
    for base, below in reversed(_branches(progress)):
        _thin(base, below)
    asks = trunk.takes_talk, trunk.held
    rest = progress.visits, progress.alarm, progress.alarm_us
    kept = _Kept(trunk.frames, progress.later, trunk.waits_for, tuple(progress.stale), *asks, *rest)
    try:
        data = msgspec.msgpack.encode(kept)
    except (OverflowError, RecursionError, ValueError):
        return None
    return data if len(data) <= STATE_BYTES_MAX else None


def decode(state: bytes) -> Progress | None:
    """The progress in `state`, or None when there is none that can be read."""
    try:
        kept = _DECODER.decode(state) if state else None
    except (msgspec.DecodeError, RecursionError):
        return None
    if kept is None:
        return None
    trunk = Strand(kept.frames, kept.waits_for, kept.takes_talk, kept.held)
    progress = Progress(trunk, kept.later, kept.stale, kept.visits, alarm=kept.alarm, alarm_us=kept.alarm_us)
    for base, below in _branches(progress):
        fill(base, below)
    return progress


def _branches(progress: Progress) -> list[tuple[Frame, Frame]]:
    """The first frame of every branch that is not over, each with the frame below it; outer ones first."""
    found = [(strand.frames[0], above[-1].frames[-1]) for strand, above in progress.strands() if above]
    return [(base, below) for base, below in found if base.is_branch]


def fill(base: Frame, below: Frame) -> None:
    """Gives a branch what it has from the frame below it and does not have of its own: that was not kept twice."""
    base.entry = base.entry or below.entry
    base.latest = base.latest or below.latest
    base.vars = base.vars or deepcopy(below.vars)
    base.slots = base.slots or deepcopy(below.slots)


def _thin(base: Frame, below: Frame) -> None:
    base.entry = {} if base.entry == below.entry else base.entry
    base.latest = {} if base.latest == below.latest else base.latest
    base.vars = {} if base.vars == below.vars else base.vars
    base.slots = {} if base.slots == below.slots else base.slots
