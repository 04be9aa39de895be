"""How much a reply is to be trusted, from 0 to 1: what is evident from it, and what the model says itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.ports.model import ModelReply, ModelRequest

ASKED: Final = (
    "End your reply with a line `confidence: N`, where N from 0 to 1 is how likely it is that your reply is right and "
    "all that was asked for. Write 0 if somebody who knows more should answer instead."
)
_NUMBER: Final = r"([01](?:\.[0-9]{1,6})?|\.[0-9]{1,6})"
_STATED: Final = re.compile(
    rf"^[ \t>*_`]*confidence[ \t*_`]*:[ \t*_`]*{_NUMBER}[ \t*_`.]*\Z", re.IGNORECASE | re.MULTILINE
)


def evident(request: ModelRequest, reply: ModelReply) -> float:
    """0 for a reply that cannot be used: empty, cut off, refused, with calls of tools that are not there or with
    arguments that do not fit, or that does not fit the schema that was asked for. 1 for every other one."""
    is_whole = reply.finish not in ("length", "refused") and bool(reply.calls or reply.text.strip())
    tools = {tool.name: tool.input_schema for tool in request.tools}
    are_calls = all(call.tool in tools and _fits(call.args or b"{}", tools[call.tool]) for call in reply.calls)
    wanted = request.output_schema
    is_output = wanted is None or bool(reply.calls) or _fits(reply.text.encode(), wanted)
    return 1.0 if is_whole and are_calls and is_output else 0.0


def stated(reply: ModelReply) -> tuple[ModelReply, float | None]:
    """The reply without the line in which the model says how sure it is, and that; None where it says nothing."""
    text = reply.text.rstrip()
    found = _STATED.search(text)
    if found is None:
        return reply, None
    return msgspec.structs.replace(reply, text=text[: found.start()].rstrip()), min(1.0, float(found[1]))


def _fits(data: bytes, schema: Mapping[str, Any]) -> bool:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return False
    validator = cast("Any", Draft202012Validator(dict(schema), registry=Registry()))  # which fetches nothing
    return validator.is_valid(value)
