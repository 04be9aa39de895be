"""Policies beside the project they are for: calls that nothing permits, roles that nobody has, agents that are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lichen.agents.agent import Agent
from lichen.agents.rule_planner import RulePlanner
from lichen.flows.planner import FlowPlanner
from lichen.gate.policies import PolicySet
from lichen.gate.reading import Written, concerning, written
from lichen.runtime.review.flaw import Flaw
from lichen.settings import Tenant


def policy_flaws(
    name: str, tenant: Tenant, policies: PolicySet, agents: Mapping[str, Agent], directory: Path | None
) -> Iterator[Flaw]:
    """Everything about a tenant's policies that does not fit its agents and its people."""
    parts = written(policies)
    yield from _unpermitted(name, policies, met(tenant, agents))
    for part in parts:
        place = str(directory / part.place) if directory is not None else part.place
        yield from _roles(name, tenant, part, place)
        yield from _agents(part, agents, place)


def met(tenant: Tenant, agents: Mapping[str, Agent]) -> list[Agent]:
    """The agents that a tenant's customers meet, and those that these ask: all of them where nothing is said."""
    named = [route.target for route in tenant.routes] + ([tenant.agent] if tenant.agent else [])
    found: dict[str, Agent] = {}
    waiting = [agents[name] for name in named if name in agents] or list(agents.values())
    while waiting:
        agent = waiting.pop(0)
        if agent.name not in found:
            found[agent.name] = agent
            waiting += [agents.get(child.name, child) for child in agent.children]
    return list(found.values())


def used(agent: Agent) -> tuple[str, ...]:
    """The tools that an agent will call: what its rules or its flow name, else whatever it was given."""
    planner = agent.planner
    if isinstance(planner, RulePlanner | FlowPlanner):
        return tuple(name for name in planner.tools if name in agent.tools)
    return tuple(agent.tools)


def _unpermitted(tenant: str, policies: PolicySet, agents: Iterable[Agent]) -> Iterator[Flaw]:
    for agent in agents:
        for tool in used(agent):
            if not concerning(policies, agent.name, tool):
                yield Flaw(
                    "tool_unpermitted",
                    "warning",
                    f"No policy of {tenant} permits {tool}, which {agent.name} calls: it will be denied.",
                    f'permit (principal == Agent::"{agent.name}", action == Action::"{tool}", resource);',
                    agent.name,
                )


def _roles(name: str, tenant: Tenant, part: Written, place: str) -> Iterator[Flaw]:
    approval = part.terms.approval
    if approval is None:
        return
    held = {role for actor in tenant.actors for role in (*actor.roles, actor.kind)}
    if approval.role not in held:
        known = ", ".join(sorted({role for actor in tenant.actors for role in actor.roles})) or "none"
        yield Flaw(
            "role_unheld",
            "warning",
            f"Policy {part.terms.id} waits for approval by {approval.role!r}, a role that no actor of {name} has.",
            f"Give the role to an actor or a key, or name one of those there are: {known}.",
            place,
        )


def _agents(part: Written, agents: Mapping[str, Agent], place: str) -> Iterator[Flaw]:
    for kind, id in part.named():
        if kind == "Agent" and id not in agents:
            yield Flaw(
                "policy_agent_unknown",
                "problem",
                f"Policy {part.terms.id} is about the agent {id!r}, which is not there: it never applies.",
                f"Name one of: {', '.join(sorted(agents))}.",
                place,
            )
