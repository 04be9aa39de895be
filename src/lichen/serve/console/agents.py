"""Who acts here: agents with their tools and limits, and the switches that stop them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import ToolSpec
from lichen.core.ports.plan import PlannerKind
from lichen.gate.switches import StopKind
from lichen.runtime.operations.stops import stop_kind
from lichen.runtime.project.agents import Bounds, bounds_of, kind_of
from lichen.serve.console.visit import Outcome, Visit
from lichen.serve.console.walk import drawn

REASON_CHARS_MAX = 500


class AgentLine(msgspec.Struct, frozen=True):
    """An agent. `kind` is what decides in it; `stopped` is the reason of its switch, else None."""

    name: str
    kind: PlannerKind
    description: str
    tools: int
    digest: str
    stopped: str | None


class Switch(msgspec.Struct, frozen=True):
    """A kill switch that is on."""

    kind: str
    name: str
    reason: str
    by: str
    at_us: int


class AgentList(msgspec.Struct, frozen=True):
    """The agents, and every switch that is on in this scope."""

    agents: tuple[AgentLine, ...]
    switches: tuple[Switch, ...]


class ToolView(msgspec.Struct, frozen=True):
    """A tool's contract. `facts` names what policy may read before it decides."""

    name: str
    description: str
    effects: str
    digest: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    facts: tuple[str, ...]
    audit: tuple[str, ...]
    has_probe: bool
    origin: str
    timeout_s: float
    attempts: int
    child: str | None
    stopped: str | None


class AgentPage(msgspec.Struct, frozen=True):
    """One agent with everything it may do. `svg` is the picture of a flow, None for other agents."""

    agent: AgentLine
    planner_digest: str
    limits: Bounds
    tools: tuple[ToolView, ...]
    svg: str | None


async def listing(visit: Visit) -> AgentList:
    """Every agent the runtime hosts, those that agents call included."""
    agents = visit.runtime.agents.all(visit.scope, visit.actor)
    lines = tuple(_line(visit, agent) for agent in agents)
    stops = visit.runtime.stops.list(visit.scope, visit.actor)
    switches = tuple(Switch(stop.kind, stop.name, stop.reason, stop.by_name, stop.at_us) for stop in stops)
    return AgentList(lines, switches)


async def show(visit: Visit) -> AgentPage:
    """The agent of the path. Raises NotFound (`agent_unknown`)."""
    agent = visit.runtime.agents.show(visit.scope, visit.part("name"), visit.actor)
    tools = tuple(_tool(visit, tool.spec) for tool in agent.tools.values())
    return AgentPage(_line(visit, agent), agent.planner.digest, bounds_of(agent.limits), tools, drawn(agent.planner))


def _line(visit: Visit, agent: Agent) -> AgentLine:
    stopped = _stopped(visit, "agent", agent.name)
    return AgentLine(agent.name, kind_of(agent), agent.description, len(agent.tools), agent.digest, stopped)


def _tool(visit: Visit, spec: ToolSpec) -> ToolView:
    facts = tuple((spec.facts_schema or {}).get("properties") or ())
    return ToolView(
        spec.name,
        spec.description,
        spec.effects,
        spec.digest,
        spec.input_schema,
        spec.output_schema,
        facts,
        spec.audit,
        spec.has_probe,
        spec.origin,
        spec.timeout_s,
        spec.retry.attempts,
        spec.agent,
        _stopped(visit, "tool", spec.name),
    )


def _stopped(visit: Visit, kind: StopKind, name: str) -> str | None:
    stops = visit.runtime.stops.list(visit.scope, visit.actor)
    return next((stop.reason for stop in stops if (stop.kind, stop.name) == (kind, name)), None)


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
