"""The list of runs: the newest first, by status and agent, a page at a time."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lichen.runtime.views.run import RunStatus, RunSummary
from lichen.serve.console.visit import Query, Visit

PAGE = 50


class Wanted(Query, frozen=True):
    """Which runs. `before` is the first record of the last run of the page before."""

    status: RunStatus | None = None
    agent: str | None = None
    before: Annotated[int, msgspec.Meta(ge=1)] | None = None


class RunList(msgspec.Struct, frozen=True):
    """A page of runs. `next_before` leads to the page after it, None at the end."""

    runs: tuple[RunSummary, ...]
    agents: tuple[str, ...]
    status: str | None
    agent: str | None
    next_before: int | None


async def show(visit: Visit) -> RunList:
    """The runs that are wanted."""
    wanted = visit.query(Wanted)
    runs, scope, actor = visit.runtime.runs, visit.scope, visit.actor
    found = runs.list(scope, actor, limit=PAGE, before=wanted.before, status=wanted.status, agent=wanted.agent)
    agents = tuple(agent.name for agent in visit.runtime.agents.all(scope, actor))
    next_before = found[-1].first_seq if len(found) == PAGE else None
    return RunList(found, agents, wanted.status, wanted.agent, next_before)
