"""What a run did with its time: a lane for the planner, the gate, each tool, each child run and its waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from lichen.runtime.records import RecordView
from lichen.serve.console.gist import gist

LaneKind = Literal["planner", "gate", "tool", "child", "waits"]


class Span(msgspec.Struct, frozen=True):
    """Something that took time. `end_us` is None while it goes on; `outcome` is a word of the record that ended it."""

    label: str
    start_us: int
    end_us: int | None
    outcome: str
    detail: str


class Mark(msgspec.Struct, frozen=True):
    """A moment: a decision, a process that took the run over, a limit, a signal, the end."""

    kind: str
    at_us: int
    detail: str


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


RecordsOf = Callable[[str], tuple[RecordView, ...]]
"""The records of a child run, none when it has none yet."""

_MARKS = ("owned", "limit_reached", "signal", "run_finished")


def timeline(records: tuple[RecordView, ...], records_of: RecordsOf, now_us: int) -> Timeline:
    """The time of a run from its first record to its last, or to now while it is open."""
    is_over = records[-1].type == "run_finished"
    lanes = tuple(_lanes(records, records_of, depth=0))
    marks = tuple(Mark(r.type, r.ts_us, f"{r.type.replace('_', ' ')} {gist(r)}") for r in records if r.type in _MARKS)
    return Timeline(records[0].ts_us, records[-1].ts_us if is_over else now_us, lanes, marks)


def _lanes(records: tuple[RecordView, ...], records_of: RecordsOf, *, depth: int) -> Iterable[Lane]:
    yield Lane("planner", "planner", depth, tuple(_plans(records)))
    decisions = tuple(Mark(r.control["verdict"], r.ts_us, gist(r)) for r in records if r.type == "decided")
    if decisions:
        yield Lane("gate", "gate", depth, (), decisions)
    tools = {call["id"]: call["tool"] for r in records if r.type == "planned" for call in r.control["calls"]}
    attempts = _Attempts(tools)
    for record in records:
        attempts.take(record)
    for tool, spans in attempts.by_tool().items():
        child = attempts.children.get(tool, ())
        yield Lane("child" if child else "tool", tool, depth, spans)
        for run in child:
            inner = records_of(run)
            if inner:
                yield from _lanes(inner, records_of, depth=depth + 1)
    waits = tuple(_waits(records))
    if waits:
        yield Lane("waits", "waits", depth, waits)


def _plans(records: tuple[RecordView, ...]) -> Iterable[Span]:
    begun: RecordView | None = None
    for record in records:
        if record.type == "plan_started":
            begun = record
        elif record.type == "planned":
            first = begun or record
            outcome = record.control["error"] or "ok"
            yield Span(f"plan {record.control['step']}", first.ts_us, record.ts_us, outcome, gist(record))
            begun = None
        elif record.type == "owned" and begun is not None:
            yield Span("plan", begun.ts_us, record.ts_us, "lost", "its process died")
            begun = None
    if begun is not None:
        yield Span(f"plan {begun.control['step']}", begun.ts_us, None, "open", "under way")


def _waits(records: tuple[RecordView, ...]) -> Iterable[Span]:
    begun: dict[str, RecordView] = {}
    for record in records:
        if record.type == "wait_opened":
            begun[record.control["wait"]] = record
        elif record.type == "wait_closed" and record.control["wait"] in begun:
            first = begun.pop(record.control["wait"])
            yield Span(first.control["kind"], first.ts_us, record.ts_us, record.control["outcome"], gist(record))
    for first in begun.values():
        yield Span(first.control["kind"], first.ts_us, None, "open", gist(first))


class _Attempts:
    """Folds the records of calls into attempts, each with how it ended."""

    def __init__(self, tools: dict[str, str]) -> None:
        self._tools = tools
        self._open: dict[str, RecordView] = {}
        self._spans: dict[str, list[Span]] = {}
        self.children: dict[str, tuple[str, ...]] = {}

    def take(self, record: RecordView) -> None:
        """Goes on by one record."""
        control = record.control
        match record.type:
            case "call_started":
                self._open[control["call"]] = record
                if control["child"]:
                    tool = self._tools[control["call"]]
                    known = self.children.get(tool, ())
                    self.children[tool] = known if control["child"] in known else (*known, control["child"])
            case "call_progressed" if control["what"] != "child_cancelled":
                self._end(control["call"], record, control["what"])
            case "call_finished":
                self._end(control["call"], record, control["outcome"])
            case "owned":
                for call in list(self._open):
                    self._end(call, record, "lost")
            case _:
                pass

    def by_tool(self) -> dict[str, tuple[Span, ...]]:
        """Every attempt by its tool, those under way included."""
        for call, first in self._open.items():
            self._add(call, Span(call, first.ts_us, None, "open", gist(first)))
        return {tool: tuple(spans) for tool, spans in self._spans.items()}

    def _end(self, call: str, record: RecordView, outcome: str) -> None:
        first = self._open.pop(call, None)
        took_us = record.control.get("duration_us", 0)  # what has no effect is not recorded when it starts
        start_us = record.ts_us - took_us if first is None else first.ts_us
        attempt = (first or record).control.get("attempt", 1)
        label = f"{call} #{attempt}" if attempt > 1 else call
        detail = "its process died" if outcome == "lost" else gist(record)
        self._add(call, Span(label, start_us, record.ts_us, outcome, detail))

    def _add(self, call: str, span: Span) -> None:
        self._spans.setdefault(self._tools.get(call, call), []).append(span)
