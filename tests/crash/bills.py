"""What a log says of requests to models: billed, estimated, or lost with a death."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId, SessionId, run_stream
from lichen.core.words.limits import NO_USAGE, Usage
from lichen.log.log import Log
from lichen.log.projections.costs import Spent, session_key
from lichen.log.records import record
from lichen.log.sqlite.file import FILE_NAME


class Wrong(AssertionError):
    """Something a death did that no death may do."""


class Attempt(NamedTuple):
    """An attempt at a plan."""

    stream: str
    step: int
    attempt: int


class Bills(NamedTuple):
    """What the log says of all requests to models."""

    replies: tuple[e.ModelAsked, ...]  # those that were answered
    estimates: tuple[e.ModelAsked, ...]  # those of which nobody heard again
    usage: Usage  # of all plans

    @property
    def answered(self) -> int:
        """How many requests it took to be answered."""
        return sum(asked.tries for asked in self.replies)

    @property
    def requests(self) -> int:
        """How many requests are accounted for."""
        return self.answered + sum(asked.tries for asked in self.estimates)

    def __str__(self) -> str:
        of = ", ".join(f"{each.outcome} {each.usage.tokens}*{each.tries}" for each in (*self.replies, *self.estimates))
        return f"{self.usage.tokens} tokens: {of}"


def plans(log: Log) -> Iterator[tuple[RunId, e.Planned]]:
    """Every plan of every run, and every attempt at one that gave none."""
    for row in log.stream_rows("run", limit=1000):
        run = RunId(row.id)
        yield from ((run, ev.control) for ev in log.events(run_stream(run)) if isinstance(ev.control, e.Planned))


def bills(log: Log) -> Bills:
    """Every request that stands in a plan."""
    every = [asked for _, planned in plans(log) for asked in planned.requests]
    usage = sum((planned.usage for _, planned in plans(log)), NO_USAGE)
    estimates = tuple(asked for asked in every if asked.outcome in ("lost", "cancelled"))
    return Bills(tuple(asked for asked in every if asked not in estimates), estimates, usage)


def left_asking(home: Path) -> set[Attempt]:
    """The attempts of which the file that a death left says that they ask a model, and not what became of them."""
    if not (home / FILE_NAME).exists():
        return set()
    with closing(sqlite3.connect(home / FILE_NAME)) as volume:
        rows = [fact for (data,) in volume.execute("select record from records") for fact in record.decode(data)]
    return _attempts(rows, e.PlanStarted) - _attempts(rows, e.Planned)


def _attempts(rows: Sequence[Any], kind: type[e.PlanStarted] | type[e.Planned]) -> set[Attempt]:
    return {
        Attempt(str(row.stream), row.control.step, row.control.attempt)
        for row in rows
        if isinstance(row.control, kind) and (isinstance(row.control, e.Planned) or row.control.model)
    }


def check_requests(seen: int, found: Bills, deaths: int) -> None:
    """Each death hides at most the one request that was on its way before the log; one that the log knows of may not
    have come to its provider."""
    if not found.answered <= seen <= found.requests + deaths:
        raise Wrong(f"{seen} requests were seen, {found.requests} are billed, {deaths} deaths: {found}")


def check_estimates(found: Bills, lost: int) -> None:
    """Each attempt that the log knows to have been lost is an estimate."""
    if len(found.estimates) != lost or not all(asked.is_estimate for asked in found.estimates):
        raise Wrong(f"{lost} attempts were lost, {len(found.estimates)} estimated: {found}")


def check_budgets(log: Log, session: SessionId, found: Bills) -> None:
    """What the session's budget has spent is what all plans took, those that were lost too; nothing stays reserved."""
    spent, usage = log.spent(session_key(session)), found.usage
    if spent != Spent(usage.tokens, usage.cost_micro_usd):
        raise Wrong(f"the session spent {spent}, its plans {usage}")
    if usage != sum((asked.usage for asked in (*found.replies, *found.estimates)), NO_USAGE):
        raise Wrong(f"plans took {usage}, their requests {found}")
