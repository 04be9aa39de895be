"""All tools that there are for a scope, searched: the project's own, those of its HTTP APIs and commands, and what its
servers and registries offer, each with where it comes from.

Source: Goa-AI documentation, registry manager (search by keywords with a relevance, origin tag, last list while one is
away).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.words.scope import Actor, Scope
from lichen.runtime.access.access import EVERYTHING, Access
from lichen.runtime.servers.servers import Servers

FOUND_MAX: Final = 100
TEXT_CHARS_MAX: Final = 300
IN_NAME, IN_TEXT = 3, 1
Has = Literal["on", "offered"]
"""It is there to be called, as far as an agent has it; or its server offers it, and nobody accepted it."""


class FoundTool(msgspec.Struct, frozen=True):
    """A tool that fits. `origin` is `own`, `command`, or `mcp`, `registry`, `openapi` or `component` with a name, as in
    `registry:partner`. `relevance` is between 0 and 1; `is_old` where its server could not be asked now, and this is
    what it said last."""

    name: str
    description: str
    origin: str
    has: Has
    relevance: float
    is_old: bool = False


class _Known(NamedTuple):
    name: str
    text: str
    origin: str
    has: Has
    is_old: bool = False


class ToolSearch:
    """Searches. `own` are the contracts of the tools that agents have of the project itself. Raises Denied."""

    def __init__(self, access: Access, servers: Servers, own: Callable[[], Iterable[ToolSpec]]) -> None:
        self._access, self._servers, self._own = access, servers, own

    async def search(self, scope: Scope, words: str, actor: Actor) -> tuple[FoundTool, ...]:
        """The tools that any of these words fits, the best first; all of them for no words. Each server is asked what
        it offers, if its list is older than it may be; nothing is pinned by that."""
        self._access.ask("tool.read", scope, actor, EVERYTHING)
        wanted = tuple(dict.fromkeys(words.casefold().split()))
        known = [*map(_of_spec, self._own()), *await self._offered(scope)]
        found = [_found(each, score) for each in known if (score := _relevance(each, wanted)) > 0]
        return tuple(sorted(found, key=_best)[:FOUND_MAX])

    async def _offered(self, scope: Scope) -> Iterator[_Known]:
        listed = await self._servers.listed(scope)
        on = {spec.name for spec in self._servers.offer(scope).specs}
        return (
            _Known(
                tool.name,
                str(tool.said.get("description") or ""),
                each.origin,
                "on" if tool.name in on else "offered",
                each.is_old,
            )
            for each in listed
            for tool in each.tools
        )


def _of_spec(spec: ToolSpec) -> _Known:
    first = spec.tags[0] if spec.tags else ""
    named = f"{first}:{spec.name.partition('.')[0]}"
    origin = named if first in ("openapi", "component") else first if first == "command" else "own"
    return _Known(spec.name, spec.description, origin, "on")


def _relevance(tool: _Known, wanted: tuple[str, ...]) -> float:
    """How much of what is wanted its name and its description say."""
    name, text = tool.name.casefold(), tool.text.casefold()
    said = sum(IN_NAME * (word in name) + IN_TEXT * (word in text) for word in wanted)
    return said / ((IN_NAME + IN_TEXT) * len(wanted)) if wanted else 1.0


def _found(tool: _Known, relevance: float) -> FoundTool:
    told = "".join(each for each in tool.text[:TEXT_CHARS_MAX].replace("\n", " ") if each.isprintable())
    return FoundTool(tool.name, told, tool.origin, tool.has, round(relevance, 3), tool.is_old)


def _best(tool: FoundTool) -> tuple[float, str]:
    return -tool.relevance, tool.name
