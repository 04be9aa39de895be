"""All that a server offers, as long as it ends."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lichen.core.remote.server import Server
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.tools.mcp.definition import Definition, defined

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import ListToolsResult

TOOLS_MAX: Final = 500
PAGES_MAX: Final = 100


class Listed(NamedTuple):
    """What a server offers by the names it has here, and what is left out, each with the reason."""

    tools: Mapping[ToolName, Definition]
    left_out: Mapping[str, str]


def takes(server: Server, tool: str) -> bool:
    """Whether the tool that a server calls so is taken from it at all: none that an entry of `exclude` fits."""
    wanted = not server.include or any(fnmatchcase(tool, each) for each in server.include)
    return wanted and not any(fnmatchcase(tool, each) for each in server.exclude)


async def listed(server: str, client: Client) -> Listed:
    """Reads the list page by page. Raises Invalid for one that is too long or goes in circles (`listing_endless`), or
    is none (`listing_invalid`)."""
    said: list[Mapping[str, Any]] = []
    cursor, seen = None, set[str]()
    for _ in range(PAGES_MAX):
        page = await _page(server, client, cursor)
        said += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
        cursor = page.next_cursor
        if cursor in seen or len(said) > TOOLS_MAX:
            break
        if cursor is None:
            return _told(server, said)
        seen.add(cursor)
    step = "Nothing of it is offered to agents; tell whoever keeps the server."
    raise Invalid(
        f"The list of its tools has more than {TOOLS_MAX} entries, or does not end.",
        code="listing_endless",
        place=server,
        next_step=step,
    )


async def _page(server: str, client: Client, cursor: str | None) -> ListToolsResult:
    from pydantic import ValidationError

    try:
        return await client.list_tools(cursor=cursor, cache_mode="refresh")
    except ValidationError as error:
        place = "/".join(str(part) for part in error.errors()[0]["loc"])
        raise Invalid(
            "The list of its tools is none that the protocol knows.",
            code="listing_invalid",
            place=f"{server}: /{place}",
            next_step="Nothing of it is offered to agents; tell whoever keeps the server.",
        ) from None


def _told(server: str, said: list[Mapping[str, Any]]) -> Listed:
    """Two tools that would have one name here are both left out: neither may pass for the other."""
    tools: dict[ToolName, Definition] = {}
    left_out: dict[str, str] = {}
    for each in said:
        try:
            definition = defined(server, each)
        except Invalid as error:
            left_out[str(each.get("name"))[:64]] = error.message
            continue
        other = tools.get(definition.name)
        if other is not None or definition.name in left_out:
            left_out[definition.name] = "Two tools of the server would have this name."
        tools[definition.name] = definition
    return Listed({name: each for name, each in tools.items() if name not in left_out}, left_out)
