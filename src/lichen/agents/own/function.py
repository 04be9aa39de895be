"""An agent that is a plain async function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from types import CodeType
from typing import Any

from lichen.agents import document
from lichen.agents.agent import Agent
from lichen.agents.models.model import resolve
from lichen.agents.replay.chat import Chat
from lichen.agents.replay.planner import ReplayPlanner
from lichen.agents.toolset import Toolset
from lichen.core.ports.call import Tool
from lichen.core.ports.model import Model
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits

Function = Callable[[Chat], Awaitable[Any]]


def agent_function(
    name: str,
    *,
    tools: Iterable[Tool | Toolset] = (),
    model: Model | str | None = None,
    limits: Limits | None = None,
    description: str = "",
    version: str = "",
) -> Callable[[Function], Agent]:
    """Makes an agent of an async function that takes a Chat and returns the answer.

    The function is run from its start for every plan; what it asked for before is told it from the log. So it may take
    time, chance and the world only from its Chat and from tools. `model` is the one that `chat.model` asks: a Model, or
    a name such as `openai:gpt-5`. Runs are pinned to the function's source, and to `version`: change it when something
    changes that the function calls.

    One that returns None without having said anything has failed (`answer_missing`).

    Raises Invalid (`agent_invalid`, `model_unknown`).
    """

    def made(function: Function) -> Agent:
        if not inspect.iscoroutinefunction(function):
            step = "Write async def."
            raise Invalid(f"Agent {name} is no async function.", code="agent_invalid", next_step=step)
        asked = resolve(model) if isinstance(model, str) else model
        parts = (source_of(function), version, asked.name if asked else "")
        planner = ReplayPlanner(_answering(function, name), digest=document.digest("function/1", parts), model=asked)
        said = description or inspect.getdoc(function) or ""
        return Agent(name, planner=planner, tools=tools, limits=limits, description=said.partition("\n\n")[0])

    return made


def _answering(function: Function, name: str) -> Function:
    """The function, which fails where the customer would hear nothing of it."""

    @functools.wraps(function)
    async def answering(chat: Chat) -> Any:
        answer = await function(chat)
        if answer is None and not chat.has_said:
            step = "Return the answer, or tell it with `chat.say`."
            raise Invalid(f"Agent {name} returned None and said nothing.", code="answer_missing", next_step=step)
        return answer

    return answering


def source_of(function: Callable[..., Any]) -> str:
    """The source of a function; where there is none, as in a console, what it was compiled to."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return _compiled(function.__code__) if inspect.isfunction(function) else repr(type(function))


def _compiled(code: CodeType) -> str:
    inner = [_compiled(const) if isinstance(const, CodeType) else repr(const) for const in code.co_consts]
    return f"{code.co_code.hex()} {inner} {code.co_names}"
