"""Who acts here: agents with their tools and limits, and the switches that stop them."""

from __future__ import annotations

import msgspec

from lichen.gate.switches import StopKind
from lichen.runtime.operations.governing.stops import stop_kind
from lichen.runtime.views.agent import AgentDetail, AgentSummary
from lichen.runtime.views.tenant import Stop
from lichen.serve.console.visit import Outcome, Visit

REASON_CHARS_MAX = 500


class AgentList(msgspec.Struct, frozen=True):
    """The agents, and every switch that is on in this scope."""

    agents: tuple[AgentSummary, ...]
    stops: tuple[Stop, ...]


class AgentPage(msgspec.Struct, frozen=True):
    """One agent with everything it may do, and every switch that is on in this scope."""

    agent: AgentDetail
    stops: tuple[Stop, ...]


async def listing(visit: Visit) -> AgentList:
    """Every agent the runtime hosts, those that agents call included."""
    runtime = visit.runtime
    return AgentList(runtime.agents.all(visit.scope, visit.actor), runtime.stops.list(visit.scope, visit.actor))


async def show(visit: Visit) -> AgentPage:
    """The agent of the path. Raises NotFound (`agent_unknown`)."""
    agent = visit.runtime.agents.show(visit.scope, visit.part("name"), visit.actor)
    return AgentPage(agent, visit.runtime.stops.list(visit.scope, visit.actor))


def drawing(visit: Visit, page: AgentPage) -> str | None:
    """The flow that the agent walks; None for other agents."""
    return visit.runtime.agents.picture(visit.scope, page.agent.name, visit.actor)


async def stop(visit: Visit) -> Outcome:
    """From now on nothing of what is named begins an effect."""
    kind, name = _named(visit)
    reason = visit.form.get("reason", "").strip()[:REASON_CHARS_MAX]
    await visit.runtime.stops.set(visit.scope, kind, name, visit.actor, reason=reason)
    return _back(visit)


async def start(visit: Visit) -> Outcome:
    """Takes a stop back."""
    kind, name = _named(visit)
    await visit.runtime.stops.clear(visit.scope, kind, name, visit.actor)
    return _back(visit)


def _named(visit: Visit) -> tuple[StopKind, str]:
    return stop_kind(visit.form.get("kind", "")), visit.form.get("name", "")


def _back(visit: Visit) -> Outcome:
    """To the page of the agent the form was on, when it names one."""
    page = visit.form.get("page", "")
    names = {agent.name for agent in visit.runtime.agents.all(visit.scope, visit.actor)}
    return Outcome(f"/console/agents/{page}" if page in names else "/console/agents")
