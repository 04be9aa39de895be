"""The agents of a runtime, as operators and programs read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lichen.agents.agent import Agent
from lichen.core.words.errors import Invalid, NotFound
from lichen.core.words.scope import SYSTEM, Actor, Scope
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.project.hosting import family
from lichen.runtime.views.agent import (
    AgentDetail,
    AgentOffer,
    AgentSummary,
    agent_detail,
    agent_offer,
    agent_summary,
)


class Agents:
    """Those that were given, and the ones they call. Every operation raises Denied."""

    def __init__(self, access: Access, agents: Callable[[], tuple[Agent, ...]]) -> None:
        self._access = access
        self._agents = agents

    def list(self, scope: Scope, actor: Actor) -> tuple[AgentSummary, ...]:
        """The agents that people and programs may begin with."""
        self._access.ask("agent.list", scope, actor, EVERYTHING)
        return tuple(map(agent_summary, self._agents()))

    def offered(self, scope: Scope, actor: Actor) -> tuple[AgentOffer, ...]:
        """The agents that this actor may begin with here, as policy stands."""
        self._access.ask("agent.list", scope, actor, EVERYTHING)
        return tuple(agent_offer(agent) for agent in self._agents() if self._is_open(scope, actor, agent.name))

    def _is_open(self, scope: Scope, actor: Actor, agent: str) -> bool:
        about = About(agent)
        may_work = self._access.would("agent.create", scope, SYSTEM, about)
        return may_work and self._access.would("session.open", scope, actor, about)

    def all(self, scope: Scope, actor: Actor) -> tuple[AgentSummary, ...]:
        """Every agent, by name: those that agents call included."""
        self._access.ask("agent.read", scope, actor, EVERYTHING)
        return tuple(map(agent_summary, sorted(family(self._agents()), key=lambda agent: agent.name)))

    def show(self, scope: Scope, name: str, actor: Actor) -> AgentDetail:
        """One of them, whether given or called. Raises NotFound (`agent_unknown`)."""
        return agent_detail(self._find(scope, name, actor))

    def source(self, scope: Scope, name: str, actor: Actor) -> Mapping[str, bytes]:
        """The files that an agent is made of, by path; none where it is made in Python. Raises NotFound."""
        source = self._find(scope, name, actor).source
        return {} if source is None else source.files

    def picture(
        self, scope: Scope, name: str, actor: Actor, *, steps: Sequence[str] = (), current: str | None = None
    ) -> str | None:
        """The flow that an agent walks as a drawing (SVG), with the way that was taken in it; None for other agents,
        and for a flow too large to be drawn. Raises NotFound (`agent_unknown`)."""
        from lichen.flows.draw.svg import svg
        from lichen.flows.walk.planner import FlowPlanner

        planner = self._find(scope, name, actor).planner
        if not isinstance(planner, FlowPlanner):
            return None
        try:
            own = [step for step in steps if step in planner.flow.nodes]
            return svg(planner.flow, own, current)
        except Invalid:
            return None

    def _find(self, scope: Scope, name: str, actor: Actor) -> Agent:
        self._access.ask("agent.read", scope, actor, About(name))
        for agent in family(self._agents()):
            if agent.name == name:
                return agent
        raise NotFound("This runtime hosts no such agent.", code="agent_unknown")
