"""Tools for models that cannot call any: offered as a choice that a schema enforces, and read back as calls.

The option `tools = "schema"` of a connection. What a model writes is one JSON object: which tool and with what, or an
answer. Whoever asks sees calls as of any other model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lichen.agents.providers.spelling import own_name, table, wire_name
from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import Connection, ModelCall, ModelError, ModelMessage, ModelReply, ModelRequest

_TOOL, _ARGS, _ANSWER = "tool", "args", "answer"
_TEXT: Final[Mapping[str, Any]] = {"type": "string"}


def takes_choice(connection: Connection, request: ModelRequest) -> bool:
    """Whether this request's tools are offered so."""
    return connection.options.get("tools") == "schema" and bool(request.tools) and request.tool_choice != "none"


def offered(request: ModelRequest) -> ModelRequest:
    """The request without tools: they are told in words, and the reply is a choice between them and an answer."""
    tools = [tool for tool in request.tools if request.tool_choice in ("auto", "required", tool.name)]
    choices = [_choice(tool) for tool in tools]
    if request.tool_choice == "auto":
        choices.append(_object({_ANSWER: request.output_schema or _TEXT}))
    told = "\n".join(f"- {wire_name(tool.name)}: {tool.description}" for tool in tools)
    system = (
        f"{request.system}\n\nReply with one JSON object. To call a tool: "
        f'{{"tool": its name, "args": its arguments}}. To answer: {{"answer": your words}}. The tools:\n{told}'
    )
    return msgspec.structs.replace(
        request,
        system=system.strip(),
        messages=tuple(_worded(message) for message in request.messages),
        tools=(),
        tool_choice="auto",
        output_schema=choices[0] if len(choices) == 1 else {"anyOf": choices},
        output_name="choice",
    )


def _choice(tool: ToolSpec) -> Mapping[str, Any]:
    return _object({_TOOL: {"type": "string", "enum": [wire_name(tool.name)]}, _ARGS: dict(tool.input_schema)})


def _object(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _worded(message: ModelMessage) -> ModelMessage:
    """A message as a model reads it that knows nothing of calls."""
    if message.role == "tool":
        return ModelMessage("user", f"The tool's result: {message.text}", is_kept=message.is_kept)
    if message.role != "assistant" or not message.calls:
        return message
    calls = [{_TOOL: wire_name(call.tool), _ARGS: _read(call.args)} for call in message.calls]
    lines = [message.text] if message.text else []
    return ModelMessage("assistant", "\n".join([*lines, *(msgspec.json.encode(call).decode() for call in calls)]))


def _read(args: bytes) -> Any:
    try:
        return msgspec.json.decode(args or b"{}")
    except msgspec.DecodeError:
        return args.decode("utf-8", "replace")


def answered(request: ModelRequest, reply: ModelReply) -> ModelReply:
    """The reply with the call that was chosen, or the words. Raises ModelError (`model_malformed`) for neither."""
    try:
        said = msgspec.json.decode(reply.text, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        said = {}
    tool, answer = said.get(_TOOL), said.get(_ANSWER)
    if isinstance(tool, str):
        named = own_name(tool, table(each.name for each in request.tools))
        call = ModelCall("call00000", named, msgspec.json.encode(said.get(_ARGS, {})))
        return msgspec.structs.replace(reply, text="", calls=(call,), finish="calls", blocks=b"")
    if answer is None:
        why = "ran out of tokens before it chose" if reply.finish == "length" else "chose neither"
        message = f"{reply.model} {why} a tool or an answer."
        raise ModelError(message, code="model_malformed", usage=reply.usage)
    text = answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()
    return msgspec.structs.replace(reply, text=text, blocks=b"")
