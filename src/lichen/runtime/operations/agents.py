"""The agents of a runtime, as operators and programs read them."""

from __future__ import annotations

from collections.abc import Callable

from lichen.agents.agent import Agent
from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Actor, Scope
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.project.hosting import family


class Agents:
    """Those that were given, and the ones they call. Every operation raises Denied."""

    def __init__(self, access: Access, agents: Callable[[], tuple[Agent, ...]]) -> None:
        self._access = access
        self._agents = agents

    def list(self, scope: Scope, actor: Actor) -> tuple[Agent, ...]:
        """The agents that people and programs may begin with."""
        self._access.ask("agent.list", scope, actor, EVERYTHING)
        return self._agents()

    def all(self, scope: Scope, actor: Actor) -> tuple[Agent, ...]:
        """Every agent, by name: those that agents call included."""
        self._access.ask("agent.read", scope, actor, EVERYTHING)
        return tuple(sorted(family(self._agents()), key=lambda agent: agent.name))

    def show(self, scope: Scope, name: str, actor: Actor) -> Agent:
        """One of them, whether given or called. Raises NotFound (`agent_unknown`)."""
        self._access.ask("agent.read", scope, actor, About(name))
        for agent in family(self._agents()):
            if agent.name == name:
                return agent
        raise NotFound("This runtime hosts no such agent.", code="agent_unknown")
