"""A run as a picture: every plan, decision, wait and call where it was in time, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import log1p
from typing import TYPE_CHECKING, Any, NamedTuple

from lichen.cli.show.account import tell
from lichen.cli.show.moments import duration, moment
from lichen.cli.show.screen import MEANINGS, Screen

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 36
COLOURS = {"plan": "blue", "wait": "yellow", "call": "green", "point": "dim"}

Record = dict[str, Any]


class Span(NamedTuple):
    """Something that took time, or a moment (`end_us` equals `start_us`)."""

    kind: str
    name: str
    start_us: int
    end_us: int
    outcome: str


def show_run(screen: Screen, run: dict[str, Any]) -> None:
    """The run: its head, then its spans drawn in a terminal, its records in rows in a pipe."""
    records: list[Record] = run["records"]
    start_us = records[0]["ts_us"]
    if screen.is_terminal:
        _draw(screen, run, spans(records), start_us)
        tell(screen, run["story"])
        _tell_missing(screen, records)
        return
    story = run["story"]
    screen.line("  ".join(part for part in (run["id"], run["agent"], story["result"], run["code"]) if part))
    tell(screen, story)
    rows = [(str(r["seq"]), duration(r["ts_us"] - start_us), r["type"], summary(r), r["actor"] or "-") for r in records]
    screen.table(("seq", "after", "type", "what", "actor"), rows, empty="It has no records.")
    _tell_missing(screen, records)


def _tell_missing(screen: Screen, records: Iterable[Record]) -> None:
    """The values that texts of a flow read and that were not there."""
    from lichen.flows.walk.trail import missed

    notes: list[str] = []
    for record in records:
        contents: dict[str, Any] = record.get("contents") or {}
        notes += contents.get("notes") or ()
    for flow, node, path in dict.fromkeys(missed(notes)):
        screen.line(f"  missing     {path} in {flow}/{node}: it was not there, and counted as empty", "yellow")


def spans(records: Iterable[Record]) -> list[Span]:
    """What the records say happened, in the order in which it began."""
    found: list[Span] = []
    begun: dict[str, Record] = {}
    for record in records:
        key = _span_of(record)
        if record["type"] in ("plan_started", "wait_opened", "call_started"):
            begun[key] = record
        elif (first := begun.pop(key, None)) is not None:
            found.append(_span(first, record))
        elif record["type"] != "planned" or summary(record):
            found.append(_span(record, record))
    found.extend(_span(record, record)._replace(outcome="open") for record in begun.values())
    return sorted(found, key=lambda span: span.start_us)


def _span_of(record: Record) -> str:
    control = record["control"]
    match record["type"]:
        case "plan_started" | "planned":
            return f"plan/{control['step']}/{control['attempt']}"
        case "wait_opened" | "wait_closed":
            return f"wait/{control['wait']}"
        case "call_started" | "call_finished":
            return f"call/{control['call']}/{control['attempt']}"
        case _:
            return record["type"]


def _span(first: Record, last: Record) -> Span:
    kind = {"plan_started": "plan", "planned": "plan", "wait_opened": "wait", "call_started": "call"}.get(
        first["type"], "point"
    )
    outcome = str(last["control"].get("outcome", last["control"].get("verdict", "")))
    return Span(kind, _name(first, last), first["ts_us"], last["ts_us"], outcome)


def _name(first: Record, last: Record) -> str:
    match first["type"]:
        case "plan_started" | "planned":
            return f"plan {first['control']['step']}  {summary(last)}"
        case "wait_opened":
            return f"wait {first['control']['wait']}  {first['control']['kind']}"
        case "call_started":
            return f"call {first['control']['call']}"
        case _:
            return f"{first['type']}  {summary(first)}"


def summary(record: Record) -> str:
    """The few fields of a record's control that tell what it is about."""
    control = record["control"]
    match record["type"]:
        case "planned":
            calls = ", ".join(f"{call['id']} {call['tool']}" for call in control["calls"])
            return calls or (
                "answers" if control["has_answer"] else control["error"] or ("asks" if control["waits"] else "")
            )
        case "decided":
            by = f" by {', '.join(control['policies'])}" if control["policies"] else ""
            return f"{control['call']} {control['verdict']}{by}"
        case "wait_opened":
            return f"{control['wait']} {control['kind']} by {' or '.join(control['may_answer']) or 'the runtime'}"
        case "wait_closed":
            return f"{control['wait']} {control['outcome']}"
        case "call_started":
            return f"{control['call']} attempt {control['attempt']}, epoch {control['epoch']}"
        case "call_finished":
            return f"{control['call']} {control['outcome']} {control['code']}".rstrip()
        case _:
            return _fields(control)


FIELDS = (
    "agent", "step", "attempt", "reason", "call", "what", "message", "disposition", "turn", "kind", "name", "outcome",
    "timer", "limit", "epoch", "code",
)  # fmt: skip


def _fields(control: dict[str, Any]) -> str:
    return " ".join(f"{name}={control[name]}" for name in FIELDS if control.get(name) not in (None, "", 0))


class _Scale:
    """Time on a line: order and rough size are kept, long silences are pressed together."""

    def __init__(self, moments_us: Iterable[int]) -> None:
        moments = sorted(set(moments_us))
        self._at = {moments[0]: 0.0}
        place = 0.0
        for before, after in pairwise(moments):
            place += log1p((after - before) / 200)
            self._at[after] = place
        self._end = place or 1.0

    def column(self, at_us: int) -> int:
        return round(self._at[at_us] / self._end * (WIDTH - 1))


def _draw(screen: Screen, run: dict[str, Any], found: list[Span], start_us: int) -> None:
    from rich.text import Text

    head = Text.assemble((run["id"], "bold"), "  ", run["agent"], "  ", (_result(run), MEANINGS.get(_result(run), "")))
    if run["code"]:
        head.append(f"  {run['code']}", "red")
    screen.draw(head)
    screen.line(f"started {moment(start_us)}, {run['calls_used']} calls, {run['tokens']} tokens", "dim")
    screen.draw(_bars(found, start_us))


def _result(run: dict[str, Any]) -> str:
    return run["story"]["result"]


def _bars(found: list[Span], start_us: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    scale = _Scale([at for span in found for at in (span.start_us, span.end_us)])
    table = Table.grid(padding=(0, 2))
    for justify in ("right", "left", "left", "left", "right"):
        table.add_column(justify=justify, no_wrap=True, overflow="ellipsis")
    for span in found:
        left, right = scale.column(span.start_us), scale.column(span.end_us)
        mark = "·" if span.kind == "point" else ("░" if span.kind == "wait" else "█") * (right - left + 1)
        bar = Text(" " * left + mark, style=COLOURS[span.kind])
        took = duration(span.end_us - span.start_us) if span.end_us > span.start_us else ""
        at = Text(f"+{duration(span.start_us - start_us)}", style="dim")
        name = Text(span.name, style=MEANINGS.get(span.outcome, "") if span.kind == "point" else "")
        table.add_row(at, bar, name, Text(span.outcome, style=MEANINGS.get(span.outcome, "")), Text(took, style="dim"))
    return table
