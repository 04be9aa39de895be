"""Prompts of a server as two tools of it: `<server>.prompts.list` and `<server>.prompts.get`.

What comes is a stranger's words, as any result of its tools is, and instructs nobody. No prompt is got but what the
project lets be got by its name, and what it denies is denied whatever else it says.

Source: Model Context Protocol, prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from lichen.core.ports.call import Arguments, NotDone, Produced
from lichen.core.remote.server import PromptRules, Server
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

ARGUMENTS_MAX: Final = 50
ARGUMENT_CHARS_MAX: Final = 20_000
MESSAGES_MAX: Final = 200
EXAMPLE: Final = '{"name": "one that is listed", "arguments": {"its argument": "a text"}}'
_SHOWN: Final = {name: name for name in ("name", "title", "description")}


def is_allowed(rules: PromptRules, name: str) -> bool:
    """Whether the prompt of this name may be got: an entry allows it, none denies it."""
    if len(name) > NAME_CHARS_MAX or fits(rules.deny_names, name):
        return False
    return fits(rules.allow_names, name, exact=True)


def prompt_tools(server: Server, reached: Reached) -> Mapping[str, OfferedTool]:
    """Both tools by their names below the server's; none where none of its prompts may be got."""
    if not server.prompts.allow_names:
        return {}
    about = f"Prompts of {server.name}."
    fields = {
        "name": {"type": "string", "maxLength": NAME_CHARS_MAX},
        "arguments": {
            "type": "object",
            "maxProperties": ARGUMENTS_MAX,
            "additionalProperties": {"type": "string", "maxLength": ARGUMENT_CHARS_MAX},
        },
    }
    listing = spec_of(server, "prompts.list", f"{about} Lists those there are, with their arguments.", {})
    getting = spec_of(server, "prompts.get", f"{about} Gives one that is listed, filled in.", fields, optional=True)
    return {
        "prompts.list": OfferedTool(listing, reached, _list, EXAMPLE),
        "prompts.get": OfferedTool(getting, reached, _get, EXAMPLE),
    }


async def _list(connection: Connection, args: Arguments) -> Produced:
    client, rules = await connection.client(), connection.server.prompts
    found = await pages(lambda cursor: client.list_prompts(cursor=cursor, cache_mode="refresh"), "prompts")
    return bounded_result({"prompts": [_about(each) for each in found if is_allowed(rules, each.name)]}, [])


def _about(prompt: Any) -> dict[str, Any]:
    said = prompt.model_dump(mode="json", by_alias=True, exclude_none=True)
    wanted = [
        {**told(each, _SHOWN), "required": each.get("required") is True}
        for each in cast("list[dict[str, Any]]", said.get("arguments") or [])[:ARGUMENTS_MAX]
    ]
    return {**told(said, _SHOWN), "arguments": wanted}


async def _get(connection: Connection, args: Arguments) -> Produced:
    name = str(args.fields["name"])
    if not is_allowed(connection.server.prompts, name):
        raise NotDone("This prompt may not be got.", code="prompt_denied", retryable=False, recovery="replan")
    client = await connection.client()
    given = cast("dict[str, str]", args.fields.get("arguments") or {})
    result = needs_nothing(await client.session.get_prompt(name, given, allow_input_required=True), "messages")
    messages = [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in result.messages]
    if len(messages) > MESSAGES_MAX:
        raise NotDone("The prompt has too many messages.", code="prompt_invalid", retryable=False, recovery="replan")
    others = [each["content"] for each in messages if each["content"].get("type") != "text"]
    return bounded_result({"messages": [_said(each) for each in messages]}, others)


def _said(message: Mapping[str, Any]) -> dict[str, str]:
    """A message as the model reads it: of what is no text, what it is."""
    content = message["content"]
    kind = str(content.get("type", ""))
    text = content["text"] if kind == "text" else f"({kind}, which people are shown)"
    return {"role": str(message["role"]), "text": text}
