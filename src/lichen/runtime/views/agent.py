"""Agents as people and programs read them: what decides in one, what it may call, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import Effects, Origin, ToolSpec
from lichen.core.ports.plan import Kinded, PlannerKind
from lichen.core.words.limits import Limits


class LimitsView(msgspec.Struct, frozen=True):
    """The limits of each run of an agent, by name."""

    calls: int
    time_s: float
    failures: int
    fan_out: int
    depth: int
    tokens: int
    grace_s: float


class ToolSummary(msgspec.Struct, frozen=True):
    """A tool of an agent. `effects` says what repeating a call would do."""

    name: str
    effects: Effects
    description: str


class AgentSummary(msgspec.Struct, frozen=True):
    """An agent and what it may call. `digest` pins all of it; `kind` is what decides in it."""

    name: str
    tools: tuple[ToolSummary, ...]
    digest: str
    description: str
    kind: PlannerKind
    summary: str


class ToolView(msgspec.Struct, frozen=True):
    """A tool's contract, with the JSON schemas of what it takes and gives. `facts` names what policy may read before it
    decides, `audit` what is kept of its arguments; `agent` is whose run a call of it is."""

    name: str
    effects: Effects
    description: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    timeout_s: float
    attempts: int
    has_probe: bool
    has_facts: bool
    facts: tuple[str, ...]
    audit: tuple[str, ...]
    origin: Origin
    tags: tuple[str, ...]
    agent: str | None
    digest: str


class AgentOffer(msgspec.Struct, frozen=True):
    """An agent that somebody may begin with. `answers` is the JSON Schema of what it answers, None where that is words;
    `only_reads`: nothing that it calls does anything to the world."""

    name: str
    description: str
    kind: PlannerKind
    answers: Mapping[str, Any] | None
    only_reads: bool


class AgentDetail(msgspec.Struct, frozen=True):
    """An agent with everything it may do. Plans of one that is pure can be replayed."""

    name: str
    kind: PlannerKind
    description: str
    is_pure: bool
    tools: tuple[ToolView, ...]
    limits: LimitsView
    digest: str
    planner_digest: str
    summary: str


def agent_summary(agent: Agent) -> AgentSummary:
    """An agent in a row of a list."""
    tools = (ToolSummary(tool.spec.name, tool.spec.effects, tool.spec.description) for tool in agent.tools.values())
    return AgentSummary(agent.name, tuple(tools), agent.digest, agent.description, kind_of(agent), _summary(agent))


def agent_detail(agent: Agent) -> AgentDetail:
    """All of an agent."""
    return AgentDetail(
        name=agent.name,
        kind=kind_of(agent),
        description=agent.description,
        is_pure=agent.planner.pure,
        tools=tuple(_tool_view(tool.spec) for tool in agent.tools.values()),
        limits=_limits_view(agent.limits),
        digest=agent.digest,
        planner_digest=agent.planner.digest,
        summary=_summary(agent),
    )


def agent_offer(agent: Agent) -> AgentOffer:
    """An agent as those see it who may begin with it."""
    answers = None if agent.answers is None else agent.answers.schema
    return AgentOffer(agent.name, agent.description, kind_of(agent), answers, _only_reads(agent))


def _only_reads(agent: Agent) -> bool:
    own = (tool.spec for tool in agent.tools.values())
    is_harmless = all(spec.effects == "none" or spec.agent is not None for spec in own) and not agent.remote
    return is_harmless and all(map(_only_reads, agent.children))


def _tool_view(spec: ToolSpec) -> ToolView:
    """A tool's contract."""
    return ToolView(
        name=spec.name,
        effects=spec.effects,
        description=spec.description,
        input_schema=spec.input_schema,
        output_schema=spec.output_schema,
        timeout_s=spec.timeout_s,
        attempts=spec.retry.attempts,
        has_probe=spec.has_probe,
        has_facts=spec.facts_schema is not None,
        facts=tuple((spec.facts_schema or {}).get("properties") or ()),
        audit=spec.audit,
        origin=spec.origin,
        tags=spec.tags,
        agent=spec.agent,
        digest=spec.digest,
    )


def kind_of(agent: Agent) -> PlannerKind:
    """What decides in an agent."""
    return agent.planner.kind if isinstance(agent.planner, Kinded) else "own"


def _limits_view(limits: Limits) -> LimitsView:
    """Limits, which records hold without names, with their names."""
    return msgspec.convert(msgspec.structs.asdict(limits), LimitsView)


def _summary(agent: Agent) -> str:
    count = len(agent.tools)
    return f"{_DECIDES[kind_of(agent)]}, {count} tool{'' if count == 1 else 's'}"


_DECIDES: Mapping[PlannerKind, str] = {
    "rules": "decided by rules",
    "llm": "decided by a model",
    "flow": "a flow",
    "own": "decided by its own code",
}
