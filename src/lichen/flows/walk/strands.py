"""What several strands of one run wait for: each for one call or wait, and one at a time for the customer's words.

The calls and waits of a plan get the ids that follow those of the run so far, so a strand knows its own before it is
asked for; what is over then finds the strand that waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lichen.core.ports.plan import CallRequest, Plan, PlanInput, WaitRequest
from lichen.core.words.ids import WaitId
from lichen.core.words.wait import WaitKind
from lichen.flows.nodes.frames import Progress, Strand

WAITS_MAX: Final = 15  # that are open at once, and a timer beside them
_TALK: Final[tuple[WaitKind, ...]] = ("clarification", "confirmation", "handover")
_WAIT: Final = "w"

Above = tuple[Strand, ...]


class Strands:
    """For one plan: what its strands ask for, and what they wait for."""

    def __init__(self, input: PlanInput) -> None:
        self._input = input
        self._calls: list[tuple[Strand, CallRequest]] = []
        self._waits: list[tuple[Strand, WaitRequest]] = []
        self._withdraws: list[WaitId] = []
        self._alarm: WaitRequest | None = None

    def waiting_for(self, progress: Progress, id: str) -> tuple[Strand, Above] | None:
        """The strand that waits for a call or wait; the run's own where an older plan did not say what it waits for."""
        for strand, above in progress.strands():
            if strand.waits_for == id or (progress.is_older and not above):
                return strand, above
        if id in progress.stale:
            progress.stale.remove(id)
        if id == progress.alarm:
            progress.alarm, progress.alarm_us = "", 0
        return None

    def call(self, strand: Strand, request: CallRequest) -> None:
        """The strand waits for this call."""
        self._calls.append((strand, request))

    def ask(self, progress: Progress, strand: Strand, request: WaitRequest) -> None:
        """The strand waits for this, or until others are over before it asks: for what is said in the conversation one
        strand waits at a time."""
        takes_talk = request.kind in _TALK
        asking = [each for each, _ in progress.strands() if each.waits_for.startswith(_WAIT)]
        asking += [each for each, _ in self._waits]
        if len(asking) >= WAITS_MAX or (takes_talk and any(each.takes_talk for each in asking)):
            strand.held = request
            return
        self._waits.append((strand, request))
        strand.takes_talk = takes_talk

    @property
    def withdraws(self) -> tuple[WaitId, ...]:
        """What nobody waits for any more."""
        return tuple(self._withdraws)

    def held(self, progress: Progress) -> Iterator[tuple[Strand, Above, WaitRequest]]:
        """Each strand that wants to ask for something, which may be its turn now."""
        for strand, above in list(progress.strands()):
            if (request := strand.held) is not None:
                strand.held = None
                yield strand, above, request

    def wind(self, progress: Progress) -> None:
        """Sees to it that the run is woken when the time of a strand is over that has yet to ask for something: by a
        timer, unless a wait of another strand is over by then."""
        held, asked = list[int](), list[int]()
        for strand, above in progress.strands():
            due_us = min(
                (frame.due_us for each in (*above, strand) for frame in each.frames if frame.due_us), default=0
            )
            is_asked = strand.waits_for.startswith(_WAIT) or any(each is strand for each, _ in self._waits)
            if due_us and (strand.held is not None or is_asked):
                (asked if is_asked else held).append(due_us)
        due_us = min(held, default=0)
        if due_us >= min(asked, default=due_us + 1):
            due_us = 0
        if due_us == progress.alarm_us:
            return
        if progress.alarm:
            self._withdraws.append(WaitId(progress.alarm))
        progress.alarm, progress.alarm_us = "", due_us
        if due_us:
            left_s = max(0.001, (due_us - self._input.run.now_us) / 1e6)
            self._alarm = WaitRequest("timer", may_answer=(), expires_s=left_s)

    def drop(self, progress: Progress, strand: Strand) -> None:
        """Nothing of a strand, and of those below it, is asked for or waited for any more."""
        waiting = [strand]
        while waiting:
            each = waiting.pop()
            self._calls = [asked for asked in self._calls if asked[0] is not each]
            self._waits = [asked for asked in self._waits if asked[0] is not each]
            if each.waits_for.startswith(_WAIT):
                self._withdraws.append(WaitId(each.waits_for))
            elif each.waits_for:
                progress.stale.append(each.waits_for)
            each.waits_for, each.held, each.takes_talk = "", None, False
            waiting += [below for frame in each.frames for below in frame.strands if not below.is_over]

    def plan(self, progress: Progress) -> Plan:
        """What is asked for. Whatever is over next is told where there is more than one thing to wait for."""
        for number, (strand, _) in enumerate(self._calls, self._input.calls_made + 1):
            strand.waits_for = f"c{number}"
        for number, (strand, _) in enumerate(self._waits, self._input.waits_made + 1):
            strand.waits_for = f"{_WAIT}{number}"
        if self._alarm is not None:
            progress.alarm = f"{_WAIT}{self._input.waits_made + len(self._waits) + 1}"
        waits_for = sum(bool(strand.waits_for) for strand, _ in progress.strands())
        asks = bool(self._calls or self._waits)
        alarm = () if self._alarm is None else (self._alarm,)
        is_each = waits_for > 1 or progress.stale or progress.alarm or self._withdraws or not asks
        return Plan(
            calls=tuple(request for _, request in self._calls),
            waits=(*(request for _, request in self._waits), *alarm),
            resume="each" if is_each else "all",
            withdraws=self.withdraws,
        )
