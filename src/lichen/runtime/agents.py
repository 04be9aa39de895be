"""Agents as people and programs read them: what decides in one, and within which limits."""

from __future__ import annotations

from typing import Literal

import msgspec

from lichen.agents.agent import Agent
from lichen.core.limits import Limits

PlannerKind = Literal["rules", "llm", "flow", "own"]
"""What decides in an agent: a rule table, a language model, a flow, or a planner of one's own."""


class Bounds(msgspec.Struct, frozen=True):
    """The limits of each run of an agent, by name."""

    calls: int
    time_s: float
    failures: int
    fan_out: int
    depth: int
    tokens: int
    grace_s: float


def kind_of(agent: Agent) -> PlannerKind:
    """What decides in an agent."""
    from lichen.agents.llm import LLMPlanner
    from lichen.agents.rule_planner import RulePlanner
    from lichen.flows.planner import FlowPlanner

    match agent.planner:
        case RulePlanner():
            return "rules"
        case LLMPlanner():
            return "llm"
        case FlowPlanner():
            return "flow"
        case _:
            return "own"


def bounds_of(limits: Limits) -> Bounds:
    """Limits, which records hold without names, with their names."""
    return msgspec.convert(msgspec.structs.asdict(limits), Bounds)
