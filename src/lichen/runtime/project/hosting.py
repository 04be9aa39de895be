"""The agents a runtime hosts: those given, the ones they call, and their tools bound to the runtime's workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.agent import OnMissing
from lichen.core.ports.answer import AnswerType
from lichen.core.ports.call import Resources, Tool, ToolSpec
from lichen.core.ports.plan import Planner
from lichen.core.remote.tools import RemoteTools
from lichen.core.speech.spoken import Spoken
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import AgentName, ToolName
from lichen.core.words.limits import Limits
from lichen.tools.guarded import Breakers, Guarded


def specs_of(agents: Sequence[Agent]) -> list[ToolSpec]:
    """Every tool of these agents and of the agents they call, once, and those that agents of files could be given."""
    everybody = family(agents)
    could = [tool for agent in everybody if agent.source is not None for tool in agent.source.tools]
    given = [*could, *(tool for agent in everybody for tool in agent.tools.values())]
    return list({tool.spec.name: tool.spec for tool in given}.values())


def family(agents: Sequence[Agent]) -> list[Agent]:
    """These agents and the ones they call, at any depth. Raises Invalid (`agents_invalid`) for two of a name."""
    found: dict[str, Agent] = {}
    waiting = list(agents)
    while waiting:
        agent = waiting.pop()
        known = found.setdefault(agent.name, agent)
        if known is agent:
            waiting += [child for child in agent.children if found.get(child.name) is not child]
        elif known.digest != agent.digest:
            raise Invalid(f"Two agents are called {agent.name!r}.", code="agents_invalid")
    return list(found.values())


class Hosted(msgspec.Struct, frozen=True):
    """An agent with its tools bound to this runtime."""

    name: AgentName
    planner: Planner
    tools: Mapping[ToolName, Tool]
    limits: Limits
    digest: str
    answers: AnswerType | None = None
    on_missing: OnMissing = "resume"
    remote: tuple[RemoteTools, ...] = ()
    say: Spoken | None = None


def hosted(agent: Agent, resources: Resources, breakers: Breakers) -> Hosted:
    """The agent, its tools bound to what the runtime gives them, each behind its circuit breaker."""
    tools = {name: guarded(tool.bound(resources), breakers) for name, tool in agent.tools.items()}
    return Hosted(
        agent.name,
        agent.planner,
        tools,
        agent.limits,
        agent.digest,
        agent.answers,
        agent.on_missing,
        agent.remote,
        agent.say,
    )


def guarded(tool: Tool, breakers: Breakers) -> Tool:
    """A tool behind its circuit breaker. An agent that is called has the breakers of its own tools."""
    return tool if tool.spec.agent is not None else Guarded(tool, breakers)
