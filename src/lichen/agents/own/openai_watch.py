"""Agents that code of the OpenAI Agents SDK runs by itself, as guardrails do: in our runs only behind the gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent
from agents.run import AgentRunner, get_default_agent_runner, set_default_agent_runner

from lichen.agents.own.terms import unsupported
from lichen.agents.replay.passage import current

IsGated = Callable[[Agent[Any]], bool]


def watch(is_gated: IsGated) -> None:
    """Sees to it that every agent is run through us; what others put there before stays beneath."""
    runner = get_default_agent_runner()
    if not isinstance(runner, _Watching):
        set_default_agent_runner(_Watching(runner, is_gated))


class _Watching(AgentRunner):
    """The SDK's way to run agents. One that is not behind the gate would ask models where nobody decides, counts and
    records it, and again for every plan."""

    def __init__(self, runner: AgentRunner, is_gated: IsGated) -> None:
        self._runner, self._is_gated = runner, is_gated

    async def run(self, starting_agent: Agent[Any], input: Any, **options: Any) -> Any:
        """As the SDK does. Raises Invalid (`own_unsupported`)."""
        self._check(starting_agent)
        return await self._runner.run(starting_agent, input, **options)

    def run_sync(self, starting_agent: Agent[Any], input: Any, **options: Any) -> Any:
        """As the SDK does. Raises Invalid (`own_unsupported`)."""
        self._check(starting_agent)
        return self._runner.run_sync(starting_agent, input, **options)

    def run_streamed(self, starting_agent: Agent[Any], input: Any, **options: Any) -> Any:
        """As the SDK does, outside of a run of ours. Raises Invalid (`own_unsupported`)."""
        if current() is not None:
            raise unsupported(f"The code streams the agent {starting_agent.name}.", "Run it with Runner.run.")
        return self._runner.run_streamed(starting_agent, input, **options)

    def _check(self, agent: Agent[Any]) -> None:
        if current() is not None and not self._is_gated(agent):
            step = "Name it where the agent is adopted: adopt(..., agents=[…])."
            raise unsupported(f"The code runs the agent {agent.name}, which is not behind the gate.", step)
