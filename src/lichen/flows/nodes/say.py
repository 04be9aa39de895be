"""Nodes that make a text, say something, or keep a value: `text`, `template`, `emit.*`, `messaging.emit`, `var.set`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from lichen.flows.nodes.context import text_of
from lichen.flows.nodes.steps import Done, Failed, Kind, Step, Visit
from lichen.flows.text.reach import parse_pointer
from lichen.flows.text.rendering import written

_LOG = "emit.log"
_MESSAGES_MAX = 32
_FOR_OPERATORS = ("debug", "log")


def _text(visit: Visit) -> Step:
    """A payload with its `text`: the payload itself, or its `text` or `template`. Nobody is told yet."""
    if not isinstance(visit.payload, Mapping):
        return Done({"text": written(visit.payload)})
    fields = visit.fields()
    text = fields.pop("template", "") or fields.get("text", "")
    return Done({**fields, "text": written(text)})


def _emit(visit: Visit) -> Step:
    """Says its text now. `emit.log` keeps it for the operator: it stands in the node's output alone."""
    if visit.node.component.id == _LOG or visit.node.component.operation == _LOG:
        return Done(visit.payload)
    texts = tuple(text for text in _texts(visit.payload) if text.strip())
    if len(texts) > _MESSAGES_MAX:
        return Failed("messages_too_many", f"A node says at most {_MESSAGES_MAX} messages.")
    payload = visit.fields() or {"text": written(visit.payload)}
    return Done(payload, says=texts)


def _texts(payload: Any) -> Iterator[str]:
    """The messages of a payload: a text, `text`, `message`, or `messages` of these."""
    match payload:
        case str():
            yield payload
        case list():
            for item in cast("list[Any]", payload):
                yield from _texts(item)
        case Mapping():
            fields = cast("Mapping[str, Any]", payload)
            if fields.get("channel") in _FOR_OPERATORS:
                return  # what a model thought, and the like: it stands in the node's output
            if "messages" in fields:
                yield from _texts(fields["messages"])
            else:
                yield text_of(fields) or written(fields.get("message", ""))
        case _:
            yield written(payload)


def _set(visit: Visit) -> Step:
    """Keeps values: `{name: value, …}`, or one as `{key, value}`, where a key may be a JSON pointer into a variable."""
    fields = visit.fields()
    name = fields.get("key", fields.get("name"))
    if isinstance(name, str) and "value" in fields and len(fields) == 2:
        fields = {name: fields["value"]}
    for key, value in fields.items():
        if not keep(visit.frame.vars, key, value):
            return Failed("var_unknown", f"There is nothing at {key}.")
    return Done(fields)


def keep(tree: dict[str, Any], key: str, value: Any) -> bool:
    """Puts `value` under a name, or where a JSON pointer leads. False when it leads through something else."""
    *path, last = (parse_pointer(key) or ("",)) if key.startswith("/") else (key,)
    for step in path:
        inner = tree.setdefault(step, {})
        if not isinstance(inner, dict):
            return False
        tree = cast("dict[str, Any]", inner)
    tree[last] = value
    return bool(last)


TEXT = Kind(_text)
EMIT = Kind(_emit, is_silent=True)
SET = Kind(_set, is_silent=True)
