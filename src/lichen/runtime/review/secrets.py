"""Secrets that tools ask for and that no source has: named before a call fails for want of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from lichen.agents.agent import Agent
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Scope
from lichen.runtime.project.project import Project
from lichen.runtime.review.flaw import Flaw
from lichen.runtime.review.policies import declared_at, met, used

Lacks = Callable[[Scope, str], str]
"""Why a secret is not to be had in a scope, in a code; empty where it is."""


def missing_secrets(project: Project, lacks: Lacks) -> tuple[Flaw, ...]:
    """Every secret that an agent of a tenant needs and that is not to be had in one of its environments."""
    agents: dict[str, Agent] = {agent.name: agent for agent in project.agents}
    scopes = project.settings.scopes
    return tuple(dict.fromkeys(flaw for scope in scopes for flaw in _in_scope(project, scope, agents, lacks)))


def _in_scope(project: Project, scope: Scope, agents: Mapping[str, Agent], lacks: Lacks) -> Iterator[Flaw]:
    for agent in met(project.settings.tenants[scope.tenant], agents):
        for name in used(agent):
            tool = agent.tools[ToolName(name)]
            for secret in tool.spec.secrets.all:
                code = lacks(scope, secret)
                if code:
                    message = f"{name} needs the secret {secret}, and {scope.tenant}/{scope.env} has it not: {code}."
                    mend = f"lichen secrets set {secret} --tenant {scope.tenant} --env {scope.env}"
                    yield Flaw("secret_missing", "warning", message, mend, declared_at(tool) or agent.name)
