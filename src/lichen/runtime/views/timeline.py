"""What a run did with its time: a lane for the planner, the gate, each tool, each child run and its waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.words.ids import CallId, RunId
from lichen.log.records.record import Record
from lichen.runtime.views.summary import summary_of, typed

LaneKind = Literal["planner", "gate", "tool", "child", "waits"]
MarkKind = Literal["owned", "limit_reached", "signal", "run_finished", "allow", "deny", "hold"]
LOST = "its process died"


class Span(msgspec.Struct, frozen=True):
    """Something that took time. `end_us` is None while it goes on; `outcome` is a word of the record that ended it, and
    `summary` says what it was about."""

    label: str
    start_us: int
    end_us: int | None
    outcome: str
    summary: str


class Mark(msgspec.Struct, frozen=True):
    """A moment: a decision, a process that took the run over, a limit, a signal, the end."""

    kind: MarkKind
    at_us: int
    summary: str


class Lane(msgspec.Struct, frozen=True):
    """One kind of thing. `depth` is 0 for the run itself, 1 for its child runs, and so on."""

    kind: LaneKind
    name: str
    depth: int
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...] = ()


class Timeline(msgspec.Struct, frozen=True):
    """A run with its child runs. `marks` concern all of it."""

    start_us: int
    end_us: int
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...]


Records = Sequence[Record]
RecordsOf = Callable[[RunId], Records]
"""The records of a child run, none when it has none yet."""


def timeline(records: Records, records_of: RecordsOf, now_us: int) -> Timeline:
    """The time of a run from its first record to its last, or to now while it is open."""
    is_over = isinstance(records[-1].control, e.RunFinished)
    lanes = tuple(_lanes(records, records_of, depth=0))
    return Timeline(records[0].ts_us, records[-1].ts_us if is_over else now_us, lanes, tuple(_marks(records)))


def _marks(records: Records) -> Iterable[Mark]:
    for record in records:
        control = record.control
        match control:
            case e.Owned():
                yield Mark("owned", record.ts_us, _named(record))
            case e.LimitReached():
                yield Mark("limit_reached", record.ts_us, _named(record))
            case e.Signal():
                yield Mark("signal", record.ts_us, _named(record))
            case e.RunFinished():
                yield Mark("run_finished", record.ts_us, _named(record))
            case _:
                pass


def _named(record: Record) -> str:
    return f"{record.type.replace('_', ' ')} {_summary(record)}"


def _summary(record: Record) -> str:
    return summary_of(typed(record.control))


def _lanes(records: Records, records_of: RecordsOf, *, depth: int) -> Iterable[Lane]:
    yield Lane("planner", "planner", depth, tuple(_plans(records)))
    decisions = tuple(
        Mark(record.control.verdict, record.ts_us, _summary(record))
        for record in records
        if isinstance(record.control, e.Decided)
    )
    if decisions:
        yield Lane("gate", "gate", depth, (), decisions)
    attempts = _Attempts()
    for record in records:
        attempts.take(record)
    for tool, spans in attempts.by_tool().items():
        children = attempts.children.get(tool, ())
        yield Lane("child" if children else "tool", tool, depth, spans)
        for child in children:
            inner = records_of(child)
            if inner:
                yield from _lanes(inner, records_of, depth=depth + 1)
    waits = tuple(_waits(records))
    if waits:
        yield Lane("waits", "waits", depth, waits)


def _plans(records: Records) -> Iterable[Span]:
    begun: tuple[Record, e.PlanStarted] | None = None
    for record in records:
        match record.control:
            case e.PlanStarted() as control:
                begun = begun if begun is not None and _is_same(begun[1], control) else (record, control)
            case e.Planned(error="lost") if begun is None:
                pass  # where it ended is told already
            case e.Planned() as control:
                start_us = begun[0].ts_us if begun is not None else record.ts_us
                yield Span(f"plan {control.step}", start_us, record.ts_us, control.error or "ok", _summary(record))
                begun = None
            case e.Owned() if begun is not None:
                yield Span(f"plan {begun[1].step}", begun[0].ts_us, record.ts_us, "lost", LOST)
                begun = None
            case _:
                pass
    if begun is not None:
        yield Span(f"plan {begun[1].step}", begun[0].ts_us, None, "open", "under way")


def _is_same(one: e.PlanStarted, other: e.PlanStarted) -> bool:
    """Whether both are of one attempt, which asked models one after the other."""
    return (one.step, one.attempt) == (other.step, other.attempt)


def _waits(records: Records) -> Iterable[Span]:
    begun: dict[str, tuple[Record, e.WaitOpened]] = {}
    for record in records:
        match record.control:
            case e.WaitOpened() as control:
                begun[control.wait] = record, control
            case e.WaitClosed() as control if control.wait in begun:
                first, opened = begun.pop(control.wait)
                yield Span(opened.kind, first.ts_us, record.ts_us, control.outcome, _summary(record))
            case _:
                pass
    for first, opened in begun.values():
        yield Span(opened.kind, first.ts_us, None, "open", _summary(first))


class _Begun(msgspec.Struct, frozen=True):
    """An attempt that has begun."""

    attempt: int
    at_us: int
    summary: str


class _Attempts:
    """Folds the records of calls into attempts, each with how it ended."""

    def __init__(self) -> None:
        self._tools: dict[CallId, str] = {}
        self._open: dict[CallId, _Begun] = {}
        self._spans: dict[str, list[Span]] = {}
        self.children: dict[str, tuple[RunId, ...]] = {}

    def take(self, record: Record) -> None:
        """Goes on by one record."""
        match record.control:
            case e.Planned() as control:
                self._tools |= {call.id: call.tool for call in control.calls}
            case e.CallStarted() as control:
                self._open[control.call] = _Begun(control.attempt, record.ts_us, _summary(record))
                if control.child is not None:
                    tool = self._tools[control.call]
                    known = self.children.get(tool, ())
                    self.children[tool] = known if control.child in known else (*known, control.child)
            case e.CallProgressed() as control if control.what not in ("child_cancelled", "waiting", "resumed"):
                self._end(control.call, record, control.what, attempt=control.attempt)
            case e.CallFinished() as control:
                self._end(
                    control.call, record, control.outcome, attempt=control.attempt, duration_us=control.duration_us
                )
            case e.Owned():
                for call in list(self._open):
                    self._end(call, record, "lost")
            case _:
                pass

    def by_tool(self) -> dict[str, tuple[Span, ...]]:
        """Every attempt by its tool, those under way included."""
        for call, begun in self._open.items():
            self._add(call, Span(call, begun.at_us, None, "open", begun.summary))
        return {tool: tuple(spans) for tool, spans in self._spans.items()}

    def _end(self, call: CallId, record: Record, outcome: str, *, attempt: int = 1, duration_us: int = 0) -> None:
        """What has no effect is not recorded when it starts: its record says how long it took."""
        begun = self._open.pop(call, None)
        start_us = record.ts_us - duration_us if begun is None else begun.at_us
        number = begun.attempt if begun is not None else attempt
        label = f"{call} #{number}" if number > 1 else call
        self._add(call, Span(label, start_us, record.ts_us, outcome, LOST if outcome == "lost" else _summary(record)))

    def _add(self, call: CallId, span: Span) -> None:
        self._spans.setdefault(self._tools.get(call, call), []).append(span)
