"""What is known around a run besides its records: its agent's planner and tools, and the meters policies read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lichen.agents.agent import Agent
from lichen.core.ports.call import ToolSpec
from lichen.core.ports.plan import Planner
from lichen.core.ports.policy import Meter
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Scope
from lichen.engine.journal.journal import Journal
from lichen.runtime.project.hosting import family, specs_of
from lichen.runtime.views.agent import kind_of
from lichen.runtime.views.asked import Setting
from lichen.runtime.views.record import WHOLE, Sight

MetersOf = Callable[[Scope, str], tuple[Meter, ...]]


class Known:
    """The agents that are hosted now, and what their tools take and give."""

    def __init__(self, agents: Callable[[], Sequence[Agent]], meters_of: MetersOf) -> None:
        self._hosted = agents
        self._meters_of = meters_of
        self._given: Sequence[Agent] | None = None
        self._agents: Mapping[str, Agent] = {}
        self._specs: Mapping[ToolName, ToolSpec] = {}

    def planner(self, agent: str) -> Planner | None:
        """What plans for an agent; None for one that is not hosted any more."""
        self._look()
        found = self._agents.get(agent)
        return found.planner if found is not None else None

    def setting(self, journal: Journal, agent: str, sight: Sight = WHOLE) -> Setting:
        """What is known around the runs of an agent; who is behind a pseudonym as somebody sees it."""
        self._look()
        found, log, scope = self._agents.get(agent), journal.log, journal.scope
        return Setting(
            agent=agent,
            kind=kind_of(found) if found is not None else "own",
            spec_of=lambda tool: self._specs.get(ToolName(tool)),
            meters_of=lambda tool: self._meters_of(scope, tool),
            name_of=lambda pseudonym: sight.name_of(log, pseudonym),
        )

    def _look(self) -> None:
        """Reads what the agents are made of once for each set of them."""
        given = self._hosted()
        if given is not self._given:
            self._given = given
            self._agents = {agent.name: agent for agent in family(given)}
            self._specs = {spec.name: spec for spec in specs_of(given)}
