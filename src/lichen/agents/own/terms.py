"""On which terms the tools of another framework's agent become tools of ours."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lichen.core.ports.call import CallMeta
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId, SessionId, ToolName
from lichen.core.words.scope import Actor, Scope
from lichen.tools.python.declaration import PythonEffects
from lichen.tools.spec import checked_name, written_at

Probing = Callable[[Mapping[str, Any], CallMeta], Awaitable[Any]]
"""Looks whether a call happened, from its arguments and meta data: the call's result, or None if it certainly did not
happen and never will. It raises anything if it does not know."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is said of the tools by their names in the framework.

    `effects`: what repeating a call would do, `once` where nothing is said: never wrong, only slower. `probes` find out
    after a crash whether a `once` call happened. `third_party` names the tools whose results hold what strangers wrote.
    `timeout_s` is how long an attempt may take.
    """

    effects: Mapping[str, PythonEffects] = field(default_factory=dict[str, PythonEffects])
    probes: Mapping[str, Probing] = field(default_factory=dict[str, Probing])
    third_party: Collection[str] = ()
    timeout_s: float = 30.0

    def check(self, names: Iterable[str], agent: str) -> None:
        """Raises Invalid (`tool_unknown`) where something is said of a tool that is not there."""
        there = set(names)
        for said in (*self.effects, *self.probes, *self.third_party):
            if said not in there:
                step = f"Name one of: {', '.join(sorted(there)) or 'it has none'}."
                raise Invalid(f"Agent {agent} has no tool {said!r}.", code="tool_unknown", next_step=step)


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom an agent works: what its dependencies are made for, in its own loop and where a tool is called."""

    scope: Scope
    actor: Actor
    run: RunId
    session: SessionId | None
    attributes: Mapping[str, str]

    @staticmethod
    def of_call(meta: CallMeta) -> Caller:
        """The caller as a tool sees them."""
        return Caller(meta.scope, _person(meta.actor), meta.run, meta.session, meta.attributes)


def caller_of(scope: Scope, actor: Actor, run: RunId, session: SessionId | None, seen: Mapping[str, str]) -> Caller:
    """The caller as the agent's own loop sees them."""
    return Caller(scope, _person(actor), run, session, seen)


def _person(actor: Actor) -> Actor:
    return actor.on_behalf_of or actor


def tool_name(agent: str, name: str, toolset: str = "") -> ToolName:
    """What a framework's tool is called in policies and in the log: `refund` of agent `shop.support` is `shop.refund`.

    Raises Invalid (`tool_invalid`).
    """
    spelt = re.sub(r"[^a-z0-9_]+", "_", _CAMEL.sub("_", name).lower()).strip("_")
    return checked_name(f"{toolset or agent.partition('.')[0]}.{spelt}")


def not_adopted(given: object, what: str, next_step: str) -> Invalid:
    """The error for what is no agent of the framework at all."""
    message = f"A {type(given).__name__} is no {what}."
    return Invalid(message, code="agent_invalid", next_step=next_step, place=written_at())


def unsupported(what: str, next_step: str) -> Invalid:
    """The error for a part of a framework that cannot be run again from its log."""
    return Invalid(what, code="own_unsupported", next_step=next_step)
