"""Resources of a server as two tools of it: `<server>.resources.list` and `<server>.resources.read`.

Nothing is read but what the project lets be read, by address or by name, and what it denies is denied whatever else it
says. Addresses are compared as they are written, so none is taken that may be written in another way as well.

Sources: Model Context Protocol, resources; Goa-AI documentation, resource lists.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, cast

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
from lichen.core.remote.server import ResourceRules, Server
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import ToolName
from lichen.tools.arguments.document import dump, parse
from lichen.tools.mcp.connection import Connection, is_broken
from lichen.tools.mcp.failures import not_done, shown, unavailable
from lichen.tools.mcp.results import ARTIFACTS, CONTENT, Malformed
from lichen.tools.spec import pinned

LISTED_MAX: Final = 500
PAGES_MAX: Final = 100
URI_CHARS_MAX: Final = 2_000
NAME_CHARS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 500
_AMBIGUOUS: Final = re.compile(
    r"[\x00-\x20\x7f-\U0010ffff\\#]|%2[eEfF]|%5[cC]|%25|%00|(?:^|/)\.{1,2}(?:/|$|\?)|^[^:/?]*://[^/]*@"
)


Reading = Callable[[Connection, ResourceRules, Arguments], Awaitable[Produced]]


class Found(NamedTuple):
    """A resource as a server lists it."""

    uri: str
    name: str
    said: Mapping[str, Any]


def is_readable(rules: ResourceRules, uri: str, names: Iterable[str]) -> bool:
    """Whether a resource at this address, listed under these names, may be read: an entry allows it, none denies it."""
    if len(uri) > URI_CHARS_MAX or _AMBIGUOUS.search(uri) or ":" not in uri:
        return False
    listed = tuple(names)
    if _fits(rules.deny_uris, uri) or any(_fits(rules.deny_names, name) for name in listed):
        return False
    if rules.deny_names and not listed:  # nobody knows what it is called
        return False
    return _fits(rules.allow_uris, uri, exact=True) or any(
        _fits(rules.allow_names, name, exact=True) for name in listed
    )


def _fits(patterns: tuple[str, ...], text: str, *, exact: bool = False) -> bool:
    """Whether one of the patterns, in which `*` is anything, is the whole text. What denies knows no case."""
    return any(_pattern(each, exact).fullmatch(text) is not None for each in patterns)


@cache
def _pattern(text: str, exact: bool) -> re.Pattern[str]:
    flags = re.DOTALL if exact else re.DOTALL | re.IGNORECASE
    return re.compile(".*".join(map(re.escape, re.split(r"\*+", text))), flags)


def resource_tools(server: Server, connection: Connection) -> Mapping[str, ResourceTool]:
    """Both tools by their names below the server's; none where nothing of it may be read."""
    rules = server.resources
    if not (rules.allow_uris or rules.allow_names):
        return {}
    uri = {"type": "string", "maxLength": URI_CHARS_MAX}
    listing = ResourceTool(_spec(server, "list", "Lists what may be read there.", {}), connection, _list)
    reading = ResourceTool(_spec(server, "read", "Reads one of what is listed.", {"uri": uri}), connection, _read)
    return {"resources.list": listing, "resources.read": reading}


def _spec(server: Server, verb: str, about: str, fields: Mapping[str, Any]) -> ToolSpec:
    return pinned(
        ToolSpec(
            name=ToolName(f"{server.name}.resources.{verb}"),
            description=f"Resources of {server.name}. {about}",
            effects="none",
            input_schema={
                "type": "object",
                "properties": dict(fields),
                "required": list(fields),
                "additionalProperties": False,
            },
            output_schema={"type": "object"},
            timeout_s=server.timeout_s,
            tags=("mcp",),
            origin="third_party",
            artifacts=ARTIFACTS,
        )
    )


class ResourceTool:
    """One of them, in one scope."""

    def __init__(self, spec: ToolSpec, connection: Connection, read: Reading) -> None:
        self.spec = spec
        self._connection, self._read = connection, read

    def bound(self, resources: Resources) -> ResourceTool:
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

        connection = self._connection
        try:
            async with connection.watched(), asyncio.timeout(max(meta.timeout_s, 0.001)):
                return await self._read(connection, connection.server.resources, args)
        except MCPError as error:
            if is_broken(error):
                raise unavailable(connection.server.name, shown(error.message)) from error
            raise not_done(error, example='{"uri": "one that is listed"}') from error
        except LichenError as error:
            raise unavailable(connection.server.name, error.message) from error

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: it does nothing that could have happened."""
        return CannotTell()


async def _list(connection: Connection, rules: ResourceRules, args: Arguments) -> Produced:
    found = [each for each in await _listed(connection) if is_readable(rules, each.uri, (each.name,))]
    resources = [
        {name: str(each.said[key])[:TEXT_CHARS_MAX] for name, key in _SHOWN if each.said.get(key) is not None}
        for each in found
    ]
    return _bounded({"resources": resources}, [])


_SHOWN: Final = (
    ("uri", "uri"),
    ("name", "name"),
    ("title", "title"),
    ("description", "description"),
    ("mime_type", "mimeType"),
)


async def _listed(connection: Connection) -> list[Found]:
    """What the server lists, as far as it is not too much."""
    client = await connection.client()
    found: list[Found] = []
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await client.list_resources(cursor=cursor, cache_mode="refresh")
        for each in page.resources:
            said = each.model_dump(mode="json", by_alias=True, exclude_none=True)
            found.append(Found(each.uri, each.name[:NAME_CHARS_MAX], said))
        cursor = page.next_cursor
        if cursor is None or len(found) >= LISTED_MAX:
            return found[:LISTED_MAX]
    return found


async def _read(connection: Connection, rules: ResourceRules, args: Arguments) -> Produced:
    uri = str(args.fields["uri"])
    names: list[str] = []
    if rules.allow_names or rules.deny_names:
        names = [each.name for each in await _listed(connection) if each.uri == uri]
    if not is_readable(rules, uri, names):
        raise NotDone("This may not be read.", code="resource_denied", retryable=False, recovery="replan")
    client = await connection.client()
    result = await client.session.read_resource(uri, allow_input_required=True)
    if not hasattr(result, "contents"):
        message = "The server asks for something before it would be read, which is not given."
        raise NotDone(message, code="input_required", retryable=False, recovery="replan")
    contents = [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in cast("Any", result).contents]
    texts = [_text(each) for each in contents]
    return _bounded({"contents": texts}, [each for each in contents if "blob" in each])


def _text(content: Mapping[str, Any]) -> dict[str, Any]:
    """A content as the model reads it: of what is no text, how large it is."""
    told = {"uri": str(content.get("uri", ""))[:URI_CHARS_MAX], "mime_type": str(content.get("mimeType", ""))[:100]}
    if "text" in content:
        return {**told, "text": content["text"]}
    return {**told, "bytes": len(str(content.get("blob", ""))) * 3 // 4}


def _bounded(value: Mapping[str, Any], blobs: list[Mapping[str, Any]]) -> Produced:
    data = msgspec.json.encode(value)
    artifacts = msgspec.json.encode([Artifact(CONTENT, "timeline", dict(each)) for each in blobs]) if blobs else b""
    if len(data) + len(artifacts) > RESULT_BYTES_MAX:
        raise Malformed(f"What is read has more than {RESULT_BYTES_MAX} bytes.")
    return Produced(data, artifacts)
