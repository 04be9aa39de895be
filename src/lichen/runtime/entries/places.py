"""What rules of access call the agents that are hosted now: by the pack they lie in, whatever they are called here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lichen.agents.agent import Agent
from lichen.gate.access.rules import Path, agent_path


class Places:
    """Looks up agents as they are hosted at the moment; `agents` gives those, without the ones they call."""

    def __init__(self, agents: Callable[[], Sequence[Agent]]) -> None:
        self._agents = agents
        self._seen: Sequence[Agent] = ()
        self._paths: dict[str, Path] = {}

    def of(self, name: str) -> Path | None:
        """The path of an agent by the name that it has here; None for one that is not hosted."""
        now = self._agents()
        if now is not self._seen:
            self._seen, self._paths = now, paths_of(now)
        return self._paths.get(name)


def paths_of(agents: Iterable[Agent]) -> dict[str, Path]:
    """The path of each of these agents and of those they call, by name."""
    found: dict[str, Path] = {}
    waiting = list(agents)
    while waiting:
        agent = waiting.pop()
        if agent.name not in found:
            found[agent.name] = path_of(agent)
            waiting += agent.children
    return found


def path_of(agent: Agent) -> Path:
    """What rules call an agent or flow."""
    return agent_path(agent.name) if agent.lies_in is None else Path(*agent.lies_in)
