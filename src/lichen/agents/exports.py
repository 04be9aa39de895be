"""What an agent offers to others: questions that a run of it answers, and tools of its own that are called at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lichen.agents.agent import Agent
from lichen.agents.toolset import Toolset, renamed
from lichen.core.words.errors import Invalid
from lichen.tools.agent_tool import Task


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the agent: each is a child run. What it takes, what a model is told of it, and the template of the
    child's first message."""

    input: Any = Task
    description: str = ""
    template: str = ""


def export(agent: Agent, name: str, *, asks: Mapping[str, Ask] | None = None, passes: Iterable[str] = ()) -> Toolset:
    """The toolset `name` of an agent, for others to use: `export(support, "support", passes=["lookup"])`.

    Each of `asks` starts a run of the agent; without any there is `ask`, unless something `passes`. What `passes` are
    tools of the agent itself: a call of `support.lookup` reaches the tool at once, without a run. Raises Invalid
    (`tool_unknown` for what is no tool of the agent, `tool_invalid`, `toolset_invalid`).
    """
    passed = tuple(passes)
    given = asks if asks is not None else {} if passed else {"ask": Ask()}
    own = Toolset(agent.name, agent.tools.values())
    asked = [
        agent.as_tool(
            description=ask.description or agent.description,
            input=ask.input,
            template=ask.template,
            name=f"{name}.{word}",
        )
        for word, ask in given.items()
    ]
    through = [renamed(own[tool], f"{name}.{own[tool].spec.name.rpartition('.')[2]}") for tool in passed]
    if not (asked or through):
        step = "Name a question in asks, or a tool in passes."
        raise Invalid(f"Agent {agent.name} exports nothing.", code="toolset_invalid", next_step=step)
    return Toolset(name, [*asked, *through])
