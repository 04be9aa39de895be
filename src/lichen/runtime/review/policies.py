"""Policies beside the project they are for: calls that nothing permits, agents that are none, folders nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import msgspec

from lichen.agents.agent import Agent
from lichen.agents.rules.planner import RulePlanner
from lichen.core.ports.call import Tool
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Scope
from lichen.flows.walk.planner import FlowPlanner
from lichen.gate.rules.declarations import files_in
from lichen.gate.rules.packed import is_packed
from lichen.gate.rules.policies import PolicySet
from lichen.gate.rules.reading import Written, about, concerning, forbidding, written
from lichen.gate.rules.schema import SECRET_USE
from lichen.runtime.project.policies import Place
from lichen.runtime.review.flaw import Flaw
from lichen.runtime.review.roles import role_unheld
from lichen.settings import Settings, Tenant


def policy_flaws(place: Place, tenant: Tenant, policies: PolicySet, agents: Mapping[str, Agent]) -> Iterator[Flaw]:
    """Everything about a set of policies that does not fit its tenant's agents and people."""
    yield from _unpermitted(place.name, policies, met(tenant, agents))
    yield from _unpermitted_models(place.name, policies, met(tenant, agents))
    yield from _unpermitted_secrets(place.name, policies, met(tenant, agents))
    for part in written(policies):
        home = None if is_packed(part.statement.file) else place.directory
        at = part.place if home is None else str(home / part.place)
        yield from role_unheld(place.tenant, tenant, part, at)
        yield from _agents(part, agents, at)


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
    """Tools that an agent will be denied. One that a policy forbids is meant so, where the agent has others."""
    for agent in agents:
        tools = used(agent)
        every = {tool: concerning(policies, agent.name, tool) for tool in tools}
        forbids = {tool: forbid for tool, each in every.items() if (forbid := forbidding(each)) is not None}
        for tool, forbid in forbids.items():
            flaw = _forbidden(tenant, agent, forbid, "tool_forbidden", f"call {tool}: it will be denied.")
            yield msgspec.structs.replace(flaw, severity="warning" if len(forbids) == len(tools) else "note")
        for tool in tools:
            if not every[tool]:
                yield Flaw(
                    "tool_unpermitted",
                    "warning",
                    f"No policy of {tenant} permits {tool}, which {agent.name} calls: it will be denied.",
                    f'permit (principal == Agent::"{agent.name}", action == Action::"{tool}", resource);',
                    agent.name,
                )


def _unpermitted_models(tenant: str, policies: PolicySet, agents: Iterable[Agent]) -> Iterator[Flaw]:
    """Models that an agent will be denied: a problem for one that can ask no other."""
    for agent in agents:
        names, flaws = models_of(agent), list[Flaw]()
        for name in names:
            concerned = about(policies, agent.name, "model.invoke", name)
            forbid = forbidding(concerned)
            if forbid is not None:
                flaws.append(_forbidden(tenant, agent, forbid, "model_forbidden", f"ask {name}: it will be denied."))
            elif not any(one.effect == "permit" for one in concerned):
                message = f"No policy of {tenant} lets {agent.name} ask {name}: it will be denied."
                mend = f'permit (principal == Agent::"{agent.name}", action == Action::"model.invoke", resource);'
                flaws.append(Flaw("model_unpermitted", "warning", message, mend, agent.name))
        severity = "problem" if len(flaws) == len(names) else "warning"
        yield from (msgspec.structs.replace(flaw, severity=severity) for flaw in flaws)


def _forbidden(tenant: str, agent: Agent, forbid: Written, code: str, what: str) -> Flaw:
    id = forbid.terms.id
    mend = f"Take {id} ({forbid.place}) out, or let it concern less: no permit outweighs it."
    return Flaw(code, "warning", f"Policy {id} of {tenant} forbids {agent.name} to {what}", mend, agent.name)


def _unpermitted_secrets(tenant: str, policies: PolicySet, agents: Iterable[Agent]) -> Iterator[Flaw]:
    for agent in agents:
        for name in used(agent):
            tool = agent.tools[ToolName(name)]
            for secret in tool.spec.secrets.all:
                ends = f", which {name} needs: it will be denied."
                flaw = _secret_flaw(tenant, policies, agent, secret, ends)
                if flaw is not None:
                    yield msgspec.structs.replace(flaw, place=declared_at(tool) or agent.name)


def unpermitted_keys(
    place: Place, settings: Settings, policies: PolicySet, agents: Mapping[str, Agent]
) -> Iterator[Flaw]:
    """Agents that no policy lets use the secret by which a model of theirs is reached: a problem for an agent that can
    ask no model at all."""
    tenant = settings.tenants[place.tenant]
    scope = Scope(place.tenant, place.env or tenant.environments[0])
    for agent in met(tenant, agents):
        models, flaws = models_of(agent), list[Flaw]()
        for model in models:
            secret = settings.provider(scope, model.partition(":")[0]).secret
            ends = f", the key of {model}: it will not be asked."
            flaw = _secret_flaw(place.name, policies, agent, secret, ends) if secret else None
            flaws += [] if flaw is None else [flaw]
        severity = "problem" if len(flaws) == len(models) else "warning"
        yield from (msgspec.structs.replace(flaw, severity=severity) for flaw in flaws)


def _secret_flaw(tenant: str, policies: PolicySet, agent: Agent, secret: str, ends: str) -> Flaw | None:
    """What keeps an agent from a secret: a policy that forbids it whatever is permitted, or that none permits it."""
    concerned = about(policies, agent.name, SECRET_USE, secret)
    forbid = forbidding(concerned)
    if forbid is not None:
        return _forbidden(tenant, agent, forbid, "secret_forbidden", f"use {secret}{ends}")
    if any(one.effect == "permit" for one in concerned):
        return None
    message = f"No policy of {tenant} lets {agent.name} use {secret}{ends}"
    mend = (
        f'permit (principal == Agent::"{agent.name}", action == Action::"secret.use", resource == Secret::"{secret}");'
    )
    return Flaw("secret_unpermitted", "warning", message, mend, agent.name)


def models_of(agent: Agent) -> tuple[str, ...]:
    """The names of the models that an agent's planner says it asks."""
    names: object = getattr(agent.planner, "models", ())
    return tuple(map(str, cast("tuple[object, ...]", names))) if isinstance(names, tuple) else ()


def declared_at(tool: Tool) -> str:
    """Where a tool is declared, `file:line`; empty where it does not say."""
    place = getattr(tool, "place", "")
    return place if isinstance(place, str) else ""


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


def unread(settings: Settings) -> Iterator[Flaw]:
    """Policies in folders that are named after no environment, and what no environment's folder may hold."""
    homes = {(settings.root / tenant.policies).resolve() for tenant in settings.tenants.values() if tenant.policies}
    for name, tenant in settings.tenants.items():
        if tenant.policies is None:
            continue
        for folder in sorted((settings.root / tenant.policies).glob("*/")):
            shared = [each for each in settings.tenants.values() if each.policies == tenant.policies]
            environments = {env for each in shared for env in each.environments}
            is_home = any(home.is_relative_to(folder.resolve()) for home in homes)
            if folder.name not in environments and files_in(folder) and not is_home:
                message = f"The policies of this folder are read for nobody: {name} has no environment {folder.name!r}."
                mend = f"Name it after one of: {', '.join(sorted(environments))}."
                yield Flaw("policies_unread", "warning", message, mend, str(folder))
            elif folder.name in environments and (folder / "policy.toml").is_file():
                message = "The policy.toml of one environment alone is read for nobody."
                mend = "Write it beside the shared policies: it is for every environment."
                yield Flaw("policies_unread", "warning", message, mend, str(folder / "policy.toml"))
