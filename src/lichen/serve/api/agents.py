"""The agents a runtime hosts: what each may call, within which limits, and what decides in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import Effects, ToolSpec
from lichen.core.ports.plan import PlannerKind
from lichen.runtime.project.agents import Bounds, bounds_of, kind_of
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Exchange


class ToolLine(msgspec.Struct, frozen=True):
    """A tool of an agent."""

    name: str
    effects: Effects
    description: str


class AgentLine(msgspec.Struct, frozen=True):
    """An agent and what it may call. `digest` pins all of it."""

    name: str
    tools: tuple[ToolLine, ...]
    digest: str
    description: str
    kind: PlannerKind


class ToolDetail(msgspec.Struct, frozen=True):
    """A tool of an agent with the JSON schemas of what it takes and gives."""

    name: str
    effects: Effects
    description: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    timeout_s: float
    has_probe: bool
    has_facts: bool
    origin: str
    tags: tuple[str, ...]
    agent: str | None
    digest: str


class AgentDetail(msgspec.Struct, frozen=True):
    """An agent. `kind` is what decides in it: `rules`, `llm`, `flow` or `own`; plans of a pure one can be replayed."""

    name: str
    kind: PlannerKind
    description: str
    is_pure: bool
    tools: tuple[ToolDetail, ...]
    limits: Bounds
    digest: str
    planner_digest: str


async def list_agents(x: Exchange) -> tuple[AgentLine, ...]:
    """The agents the runtime hosts."""
    return tuple(_line(agent) for agent in x.runtime.agents.list(x.scope, x.actor))


async def show(x: Exchange) -> AgentDetail:
    """One of them."""
    return _detail(x.runtime.agents.show(x.scope, x.part("agent"), x.actor))


def _line(agent: Agent) -> AgentLine:
    tools = (ToolLine(tool.spec.name, tool.spec.effects, tool.spec.description) for tool in agent.tools.values())
    return AgentLine(agent.name, tuple(tools), agent.digest, agent.description, kind_of(agent))


def _detail(agent: Agent) -> AgentDetail:
    return AgentDetail(
        name=agent.name,
        kind=kind_of(agent),
        description=agent.description,
        is_pure=agent.planner.pure,
        tools=tuple(_tool(tool.spec) for tool in agent.tools.values()),
        limits=bounds_of(agent.limits),
        digest=agent.digest,
        planner_digest=agent.planner.digest,
    )


def _tool(spec: ToolSpec) -> ToolDetail:
    return ToolDetail(
        name=spec.name,
        effects=spec.effects,
        description=spec.description,
        input_schema=spec.input_schema,
        output_schema=spec.output_schema,
        timeout_s=spec.timeout_s,
        has_probe=spec.has_probe,
        has_facts=spec.facts_schema is not None,
        origin=spec.origin,
        tags=spec.tags,
        agent=spec.agent,
        digest=spec.digest,
    )


ROUTES = (
    ApiRoute("GET", "agents", "agent.list", list_agents),
    ApiRoute("GET", "agents/{agent}", "agent.read", show),
)
