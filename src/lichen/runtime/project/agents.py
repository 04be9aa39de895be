"""Agents as people and programs read them: what decides in one, and within which limits."""

from __future__ import annotations

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.plan import Kinded, PlannerKind
from lichen.core.words.limits import Limits


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
    return agent.planner.kind if isinstance(agent.planner, Kinded) else "own"


def bounds_of(limits: Limits) -> Bounds:
    """Limits, which records hold without names, with their names."""
    return msgspec.convert(msgspec.structs.asdict(limits), Bounds)
