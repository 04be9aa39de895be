"""Instructions: the words a model begins with, as text, as a prompt, or as a function of a run's facts."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from lichen.agents.llm.prompts import Prompt
from lichen.core.memory.events import NO_MEMORY, Memory
from lichen.core.ports.plan import PlanInput, PromptText, RunContext
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import ActorKind, Scope

REMEMBERED_CHARS_MAX: Final = 2_000  # of one event in a prompt
INSTRUCTIONS: Final = "Help the customer. Use the tools for facts and actions; never claim a result that no tool gave."


class RunFacts(msgspec.Struct, frozen=True):
    """What instructions may depend on: where a run is, for what kind of actor, in which language, and when.

    `now` is the moment its plan came to be due, in UTC. `attributes` are what whoever began the run said of it.
    `memory` is what happened before the run: `await facts.memory.latest("answer")`.
    """

    scope: Scope
    agent: str
    actor: ActorKind
    language: str
    channel: str
    now: datetime
    attributes: Mapping[str, str]
    memory: Memory = NO_MEMORY


Instructions = str | Prompt | Callable[[RunFacts], str | Awaitable[str]]
"""Words as they are, a prompt whose braces are filled in, or a function that makes the words."""


class Told(NamedTuple):
    """The instructions of one request. `prompt` names the words where they are a prompt's."""

    text: str
    prompt: str = ""


def facts_of(run: RunContext, memory: Memory = NO_MEMORY) -> RunFacts:
    """The facts of a run."""
    attributes = run.attributes
    return RunFacts(
        scope=run.scope,
        agent=run.agent,
        actor=run.actor.subject.kind,
        language=attributes.get("language", ""),
        channel=attributes.get("channel", ""),
        now=datetime.fromtimestamp(run.now_us / 1e6, UTC),
        attributes={name: value for name, value in attributes.items() if name not in ("language", "channel")},
        memory=memory,
    )


def named(facts: RunFacts) -> Mapping[str, Any]:
    """The facts as a prompt refers to them."""
    return {
        "tenant": facts.scope.tenant,
        "environment": facts.scope.env,
        "team": facts.scope.team,
        "agent": facts.agent,
        "actor": facts.actor,
        "language": facts.language,
        "channel": facts.channel,
        "now": facts.now.strftime("%Y-%m-%d %H:%M UTC"),
        "today": facts.now.strftime("%A, %Y-%m-%d"),
        "attributes": dict(facts.attributes),
    }


async def told(instructions: Instructions, input: PlanInput) -> Told:
    """What a model is told in this run; instead of a prompt's own words what the run's scope has under its name.
    Raises what a function raises."""
    if isinstance(instructions, str):
        return Told(instructions)
    facts = facts_of(input.run, input.memory)
    if isinstance(instructions, Prompt):
        instead = input.prompt(instructions.name)
        prompt = instructions if instead is None else _parsed(instead)
        return Told(
            prompt.render({**named(facts), "memory": await _remembered(prompt, facts.memory)}), prompt.reference
        )
    made = instructions(facts)
    text: Any = await made if inspect.isawaitable(made) else made
    if not isinstance(text, str):
        message = "The function of the instructions gave no text."
        raise LichenError(message, code="instructions_invalid", next_step="Return a str from it.")
    return Told(text)


async def _remembered(prompt: Prompt, memory: Memory) -> Mapping[str, str]:
    """What a prompt refers to of what happened before."""
    latest = [await memory.latest(each) for each in prompt.remembers]
    return {event.type: event.text[:REMEMBERED_CHARS_MAX] for event in latest if event is not None}


@lru_cache(256)
def _parsed(prompt: PromptText) -> Prompt:
    return Prompt(prompt.text, name=prompt.name, version=prompt.version)


def identity(instructions: Instructions) -> str:
    """What tells these instructions from others: the words, or where a function stands and how it reads."""
    if isinstance(instructions, str):
        return instructions
    if isinstance(instructions, Prompt):
        return f"prompt:{instructions.name}:{instructions.digest}"
    try:
        source = inspect.getsource(instructions)
    except (OSError, TypeError):
        source = ""
    name = getattr(instructions, "__qualname__", type(instructions).__qualname__)
    module = getattr(instructions, "__module__", "")
    return f"function:{module}.{name}:{hashlib.sha256(source.encode()).hexdigest()}"
