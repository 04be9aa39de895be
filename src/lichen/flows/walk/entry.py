"""What a flow begins with: the message or input it was given, and its variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lichen.core.ports.plan import Message
from lichen.flows.ir import Flow
from lichen.flows.nodes.context import text_of
from lichen.flows.text.reach import fields_of
from lichen.flows.text.rendering import written


def entry_of(messages: Sequence[Message], body: bytes = b"") -> dict[str, Any]:
    """The entry for these messages: their words as `text`, and the fields of the JSON that came with them.

    What an agent or another flow sends may be an object, here or in `body`: its fields stand in the entry then.
    """
    is_sent = bool(messages) and all(message.role == "agent" for message in messages)
    if body or (is_sent and all(message.data is None for message in messages)):
        return body_of(body or said(messages).encode())
    return {**beside(messages), "text": said(messages)}


def beside(messages: Sequence[Message]) -> dict[str, Any]:
    """The fields that came with these messages; JSON that is no object stands under `input`."""
    fields: dict[str, Any] = {}
    for message in messages:
        if message.data is not None:
            fields |= fields_of(message.data) or {"input": message.data}
    return fields


def body_of(data: bytes) -> dict[str, Any]:
    """JSON, or a text that is none, as an object with its words as `text`."""
    value = _decoded(data) if data else ""
    if not isinstance(value, dict):
        return {"text": written(value)}
    fields = fields_of(value)
    return {**fields, "text": text_of(fields) or written(fields.get("message", ""))}


def said(messages: Sequence[Message]) -> str:
    """What was said, as one text."""
    return "\n".join(text for message in messages if (text := _words(message)))


def _words(message: Message) -> str:
    """The words of a message; of one that is JSON alone its `text`, or `message`."""
    if message.data is None:
        return message.text
    fields = fields_of(message.data)
    return text_of(fields) or written(fields.get("message", "") if fields else message.data)


def first_vars(flow: Flow, entry: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The variables a flow begins with, and the name of one that it requires and nobody gave, or nothing.

    Each is declared as `{default, required}`, or by its value; `vars` of the entry, or the entry itself, comes first.
    """
    named = {**entry, **fields_of(entry.get("vars"))}
    values: dict[str, Any] = {}
    for name, declared in flow.vars_init.items():
        options = fields_of(declared) if _is_declaration(declared) else {"default": declared}
        if name in named:
            values[name] = named[name]
        elif "default" in options and options["default"] is not None:
            values[name] = options["default"]
        elif options.get("required"):
            return values, name
    return values, ""


def _is_declaration(value: Any) -> bool:
    return bool(fields_of(value)) and fields_of(value).keys() <= {"default", "required"}


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return data.decode("utf-8", "replace")
