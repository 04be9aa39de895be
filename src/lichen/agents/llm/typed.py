"""Answers that have a type: what a model is asked for, one correction, and then a failure that says so."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.ports.answer import AnswerType
from lichen.core.ports.call import InvalidArguments, Issue
from lichen.core.ports.model import ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan
from lichen.tools.arguments.sample import sample_of

CODE = "answer_invalid"
ISSUES_TOLD_MAX: Final = 10
_BOX: Final = "answer"
_FENCED: Final = re.compile(r"\A```[a-z]*\s*\n(.*?)\n?```\s*\Z", re.DOTALL)

Ask = Callable[[ModelRequest], Awaitable[ModelReply]]


def asked_for(kind: AnswerType, request: ModelRequest) -> ModelRequest:
    """The request for an answer of this type. Providers take only objects, so that anything else lies in a field."""
    schema = kind.schema if _is_object(kind) else _boxed(kind.schema)
    return msgspec.structs.replace(request, output_schema=schema, output_name=kind.name)


async def answered(kind: AnswerType, reply: ModelReply, request: ModelRequest, ask: Ask) -> Plan:
    """The plan of a reply that has to be of this type: its value, or after one correction the failure `answer_invalid`.

    `request` is what the reply answers, `ask` asks again. Raises what that does.
    """
    try:
        return _plan(kind, reply)
    except InvalidArguments as error:
        corrected = await ask(_correction(kind, reply, request, error.issues))
    try:
        return _plan(kind, corrected)
    except InvalidArguments as error:
        return Plan(failure=CODE, notes=tuple(map(_told, error.issues[:ISSUES_TOLD_MAX])))


def _plan(kind: AnswerType, reply: ModelReply) -> Plan:
    value = kind.decode(_value(kind, reply.text))
    return Plan(answer=value.decode(), value=value)


def _value(kind: AnswerType, text: str) -> bytes:
    """The JSON of the value in a reply, which may have put it between fences."""
    fenced = _FENCED.match(text.strip())
    data = (fenced[1] if fenced is not None else text).strip().encode()
    if _is_object(kind):
        return data
    try:
        box = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return data
    return bytes(box[_BOX]) if set(box) == {_BOX} else data


def _correction(kind: AnswerType, reply: ModelReply, request: ModelRequest, issues: tuple[Issue, ...]) -> ModelRequest:
    """The same request with the reply, what is wrong with it and an example. No tool is called any more."""
    told = "\n".join(f"- {_told(issue)}" for issue in issues[:ISSUES_TOLD_MAX])
    text = f"Your answer does not fit what is expected:\n{told}\n{_example(kind)}Answer again, with the JSON alone."
    said = ModelMessage("assistant", reply.text or "…", blocks=reply.blocks)
    messages = (*request.messages, said, ModelMessage("user", text))
    return msgspec.structs.replace(request, messages=messages, tool_choice="none")


def _told(issue: Issue) -> str:
    allowed = f" Allowed: {', '.join(issue.allowed)}." if issue.allowed else ""
    return f"{issue.field or 'The answer'} {issue.message}{allowed}"


def _example(kind: AnswerType) -> str:
    """An example in words, nothing where none can be made."""
    value = sample_of(kind.schema)
    try:
        kind.decode(msgspec.json.encode(value))
    except (InvalidArguments, TypeError):
        return ""
    shown = msgspec.json.encode(value if _is_object(kind) else {_BOX: value}).decode()
    return f"An example of the form, not of the content: {shown}\n"


def _is_object(kind: AnswerType) -> bool:
    return kind.schema.get("type") == "object"


def _boxed(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema of objects with one field that holds what fits `schema`."""
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    defs = cast("Mapping[str, Any]", schema.get("$defs", {}))
    box = {"type": "object", "properties": {_BOX: inner}, "required": [_BOX], "additionalProperties": False}
    return {**box, "$defs": defs} if defs else box
