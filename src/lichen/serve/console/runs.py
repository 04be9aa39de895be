"""The list of runs: the newest first, by status and agent, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from lichen.core.ids import RunId
from lichen.core.run import RunState
from lichen.core.scope import Scope
from lichen.log.views import StreamRow
from lichen.runtime.runtime import Runtime
from lichen.serve.console.visit import Query, Visit

PAGE = 50
SCANNED_MAX = 5_000  # rows looked at for one page when a filter leaves most of them out

Status = Literal["running", "waiting", "completed", "failed", "cancelled"]


class Wanted(Query, frozen=True):
    """Which runs. `before` is the first record of the last run of the page before."""

    status: Status | None = None
    agent: str | None = None
    before: Annotated[int, msgspec.Meta(ge=1)] | None = None


class RunLine(msgspec.Struct, frozen=True):
    """One run. `waits_for` names what it waits for; `ended_at_us` is None while it is open."""

    id: RunId
    agent: str
    status: str
    code: str
    waits_for: tuple[str, ...]
    session: str | None
    parent: str | None
    started_at_us: int
    ended_at_us: int | None


class RunList(msgspec.Struct, frozen=True):
    """A page of runs. `next_before` leads to the page after it, None at the end."""

    runs: tuple[RunLine, ...]
    agents: tuple[str, ...]
    status: str | None
    agent: str | None
    next_before: int | None


async def show(visit: Visit) -> RunList:
    """The runs that are wanted."""
    wanted = visit.query(Wanted)
    rows = _rows(visit.runtime, visit.scope, wanted)
    lines: list[RunLine] = []
    last: int | None = None
    for row in rows:
        if len(lines) == PAGE:
            break
        lines.append(_line(visit.runtime, visit.scope, row))
        last = row.first_seq
    else:
        last = None
    agents = tuple(sorted(agent.name for agent in visit.runtime.agents))
    return RunList(tuple(lines), agents, wanted.status, wanted.agent, last)


def _rows(runtime: Runtime, scope: Scope, wanted: Wanted) -> Iterator[StreamRow]:
    log = runtime.log(scope)
    before, scanned = wanted.before, 0
    while scanned < SCANNED_MAX:
        rows = log.stream_rows("run", limit=PAGE, before_seq=before)
        yield from (row for row in rows if _fits(row, wanted))
        if len(rows) < PAGE:
            return
        scanned += len(rows)
        before = rows[-1].first_seq


def _fits(row: StreamRow, wanted: Wanted) -> bool:
    return wanted.status in (None, status_of(row)) and wanted.agent in (None, row.agent)


def status_of(row: StreamRow) -> str:
    """How the run of a row stands."""
    return row.outcome or ("waiting" if row.standing == "waiting" else "running")


def _line(runtime: Runtime, scope: Scope, row: StreamRow) -> RunLine:
    log = runtime.log(scope)
    state = runtime.engine.journal(scope).run(RunId(row.id))
    ended_at_us = log.event(row.stream, state.n - 1).ts_us if row.outcome else None
    return RunLine(
        RunId(row.id),
        row.agent,
        status_of(row),
        state.cancel or state.failure or state.limit,
        waits_for(state),
        row.session,
        row.parent,
        row.started_us,
        ended_at_us,
    )


def waits_for(state: RunState) -> tuple[str, ...]:
    """What an open run waits for, in a word each."""
    return tuple(dict.fromkeys(wait.kind for wait in state.waits.values()))
