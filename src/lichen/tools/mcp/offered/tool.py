"""A tool that is ours and not the server's: it reads what a server offers beside its tools."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, Final, cast

import msgspec

from lichen.core.ports.call import (
    RESULT_BYTES_MAX,
    Arguments,
    Artifact,
    CallMeta,
    CannotTell,
    InvalidArguments,
    Issue,
    NotDone,
    Probe,
    Produced,
    Resources,
    ToolSpec,
)
from lichen.core.remote.server import Server
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import ToolName
from lichen.tools.arguments.document import dump, parse
from lichen.tools.mcp.connection import Connection, Reached, is_broken
from lichen.tools.mcp.failures import not_done, shown, unasked, unavailable
from lichen.tools.mcp.results import ARTIFACTS, CONTENT, Malformed
from lichen.tools.spec import pinned

LISTED_MAX: Final = 500
PAGES_MAX: Final = 100
NAME_CHARS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 500

Reading = Callable[[Connection, Arguments], Awaitable[Produced]]
"""What the server has for these arguments. Raises NotDone for what may not be read."""


def spec_of(server: Server, name: str, about: str, fields: Mapping[str, Any], *, optional: bool = False) -> ToolSpec:
    """The contract of such a tool. Of its `fields` each is wanted, or the first where the others are `optional`."""
    return pinned(
        ToolSpec(
            name=ToolName(f"{server.name}.{name}"),
            description=about,
            effects="none",
            input_schema={
                "type": "object",
                "properties": dict(fields),
                "required": list(fields)[: 1 if optional else None],
                "additionalProperties": False,
            },
            output_schema={"type": "object"},
            timeout_s=server.timeout_s,
            tags=("mcp",),
            origin="third_party",
            artifacts=ARTIFACTS,
        )
    )


class OfferedTool:
    """One of them, in one scope. `example` are arguments that would do."""

    def __init__(self, spec: ToolSpec, reached: Reached, read: Reading, example: str) -> None:
        self.spec = spec
        self._reached, self._read, self._example = reached, read, example

    def bound(self, resources: Resources) -> OfferedTool:
        """Itself: it was made for its scope."""
        return self

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments. Raises InvalidArguments."""
        tree = parse(args)
        from lichen.tools.arguments import bounded  # no process needs it to start

        problem = bounded.misfit(self.spec.input_schema, tree)
        if problem is not None:
            raise InvalidArguments((Issue(problem.place, "invalid_format", problem.message),))
        fields = cast("dict[str, Any]", tree)
        return Arguments(dump(fields), fields=fields)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: a server vouches for nothing."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> Produced:
        """What the server has. Raises NotDone for what may not be read, or was not."""
        from mcp import MCPError

        server = self.spec.name.partition(".")[0]
        try:
            connection = self._reached.of(meta)
            async with connection.watched(), asyncio.timeout(max(meta.timeout_s, 0.001)):
                return await self._read(connection, args)
        except MCPError as error:
            if is_broken(error):
                raise unavailable(server, shown(error.message)) from error
            raise not_done(error, example=self._example) from error
        except LichenError as error:
            raise unasked(error) or unavailable(server, error.message) from error

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: it does nothing that could have happened."""
        return CannotTell()


async def pages(of: Callable[[str | None], Awaitable[Any]], field: str) -> list[Any]:
    """What a server lists, as far as it is not too much: `of` gives the page after a cursor."""
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await of(cursor)
        found += getattr(page, field)
        cursor = page.next_cursor
        if cursor is None or len(found) >= LISTED_MAX:
            break
    return found[:LISTED_MAX]


def fits(patterns: tuple[str, ...], text: str, *, exact: bool = False) -> bool:
    """Whether one of the patterns, in which `*` is anything, is the whole text. What denies knows no case."""
    return any(_pattern(each, exact).fullmatch(text) is not None for each in patterns)


@cache
def _pattern(text: str, exact: bool) -> re.Pattern[str]:
    flags = re.DOTALL if exact else re.DOTALL | re.IGNORECASE
    return re.compile(".*".join(map(re.escape, re.split(r"\*+", text))), flags)


def told(said: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """Of what a server says of something, these fields, each as far as it is shown."""
    return {name: str(said[key])[:TEXT_CHARS_MAX] for name, key in names.items() if said.get(key) is not None}


def needs_nothing(result: Any, field: str) -> Any:
    """The result, which is none where the server asks for something first. Raises NotDone."""
    if not hasattr(result, field):
        message = "The server asks for something before it would be read, which is not given."
        raise NotDone(message, code="input_required", retryable=False, recovery="replan")
    return result


def bounded_result(value: Mapping[str, Any], beside: list[Mapping[str, Any]]) -> Produced:
    """What was read, and what people are shown of it beside. Raises Malformed where it is too much."""
    data = msgspec.json.encode(value)
    artifacts = msgspec.json.encode([Artifact(CONTENT, "timeline", dict(each)) for each in beside]) if beside else b""
    if len(data) + len(artifacts) > RESULT_BYTES_MAX:
        raise Malformed(f"What is read has more than {RESULT_BYTES_MAX} bytes.")
    return Produced(data, artifacts)
