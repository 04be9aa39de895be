"""Resources of a server as two tools of it: `<server>.resources.list` and `<server>.resources.read`.

Nothing is read but what the project lets be read, by address or by name, and what it denies is denied whatever else it
says. Addresses are compared as they are written, so none is taken that may be written in another way as well.

Sources: Model Context Protocol, resources; Goa-AI documentation, resource lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from lichen.core.ports.call import Arguments, NotDone, Produced
from lichen.core.remote.server import ResourceRules, Server
from lichen.tools.mcp.connection import Connection, Reached
from lichen.tools.mcp.offered.tool import (
    NAME_CHARS_MAX,
    OfferedTool,
    bounded_result,
    fits,
    needs_nothing,
    pages,
    spec_of,
    told,
)

URI_CHARS_MAX: Final = 2_000
EXAMPLE: Final = '{"uri": "one that is listed"}'
_AMBIGUOUS: Final = re.compile(
    r"[\x00-\x20\x7f-\U0010ffff\\#]|%2[eEfF]|%5[cC]|%25|%00|(?:^|/)\.{1,2}(?:/|$|\?)|^[^:/?]*://[^/]*@"
)
_SHOWN: Final = {name: name for name in ("uri", "name", "title", "description")} | {"mime_type": "mimeType"}


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
    if fits(rules.deny_uris, uri) or any(fits(rules.deny_names, name) for name in listed):
        return False
    if rules.deny_names and not listed:  # nobody knows what it is called
        return False
    return fits(rules.allow_uris, uri, exact=True) or any(fits(rules.allow_names, name, exact=True) for name in listed)


def resource_tools(server: Server, reached: Reached) -> Mapping[str, OfferedTool]:
    """Both tools by their names below the server's; none where nothing of it may be read."""
    rules = server.resources
    if not (rules.allow_uris or rules.allow_names):
        return {}
    uri, about = {"type": "string", "maxLength": URI_CHARS_MAX}, f"Resources of {server.name}."
    listing = spec_of(server, "resources.list", f"{about} Lists what may be read there.", {})
    reading = spec_of(server, "resources.read", f"{about} Reads one of what is listed.", {"uri": uri})
    return {
        "resources.list": OfferedTool(listing, reached, _list, EXAMPLE),
        "resources.read": OfferedTool(reading, reached, _read, EXAMPLE),
    }


async def _list(connection: Connection, args: Arguments) -> Produced:
    rules = connection.server.resources
    found = [each for each in await _listed(connection) if is_readable(rules, each.uri, (each.name,))]
    return bounded_result({"resources": [told(each.said, _SHOWN) for each in found]}, [])


async def _listed(connection: Connection) -> list[Found]:
    client = await connection.client()
    found = await pages(lambda cursor: client.list_resources(cursor=cursor, cache_mode="refresh"), "resources")
    return [
        Found(each.uri, each.name[:NAME_CHARS_MAX], each.model_dump(mode="json", by_alias=True, exclude_none=True))
        for each in found
    ]


async def _read(connection: Connection, args: Arguments) -> Produced:
    uri, rules = str(args.fields["uri"]), connection.server.resources
    names: list[str] = []
    if rules.allow_names or rules.deny_names:
        names = [each.name for each in await _listed(connection) if each.uri == uri]
    if not is_readable(rules, uri, names):
        raise NotDone("This may not be read.", code="resource_denied", retryable=False, recovery="replan")
    client = await connection.client()
    result = needs_nothing(await client.session.read_resource(uri, allow_input_required=True), "contents")
    contents = [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in result.contents]
    texts = [_text(each) for each in contents]
    return bounded_result({"contents": texts}, [each for each in contents if "blob" in each])


def _text(content: Mapping[str, Any]) -> dict[str, Any]:
    """A content as the model reads it: of what is no text, how large it is."""
    about = {"uri": str(content.get("uri", ""))[:URI_CHARS_MAX], "mime_type": str(content.get("mimeType", ""))[:100]}
    if "text" in content:
        return {**about, "text": content["text"]}
    return {**about, "bytes": len(str(content.get("blob", ""))) * 3 // 4}
