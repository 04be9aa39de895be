"""Reading what is true in the outside world before policy decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from lichen.gate.cedar.shapes import Unusable
from lichen.gate.cedar.values import Value
from lichen.gate.rules.schema import ToolView

TIMEOUT_S: Final = 5.0
TRIES: Final = 3  # how often facts are read again because a payment overtook them

Resolver = Callable[[], Awaitable[Mapping[str, Any]]]


class FactsUnavailable(Exception):
    """There are no facts to decide on; the message says why, without anything the resolver said."""


async def read_facts(tool: ToolView, resolve: Resolver | None, *, timeout_s: float) -> Mapping[str, Any]:
    """The facts about a call, empty for a tool that declares none. Raises FactsUnavailable."""
    if tool.spec.facts_schema is None:
        return {}
    if resolve is None:
        raise FactsUnavailable("nobody was asked for them")
    try:
        async with asyncio.timeout(timeout_s):
            return await resolve()
    except TimeoutError as error:
        raise FactsUnavailable(f"the resolver gave no answer within {timeout_s} s") from error
    except Exception as error:
        raise FactsUnavailable(f"the resolver failed with {type(error).__name__}") from error


def facts_value(tool: ToolView, facts: Mapping[str, Any]) -> Value:
    """The facts as policies see them. Raises FactsUnavailable where they are not what was declared."""
    try:
        return tool.facts.shape.value(facts)
    except Unusable as error:
        raise FactsUnavailable(f"{error}, as the facts schema declares") from error
