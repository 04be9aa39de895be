"""What LangChain asks a chat model, in our words, and our replies in its."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from lichen.agents.own.terms import unsupported
from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import ModelCall, ModelMessage, ModelReply, ModelRequest, ToolChoice
from lichen.core.ports.plan import Message
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage

BLOCKS: Final = "lichen_blocks"
MAX_TOKENS: Final = 4_096
Named = Callable[[str], str]


class Offered(NamedTuple):
    """What a model was bound with: tools to choose from, how to choose, and what else its own class takes."""

    tools: tuple[Any, ...]
    choice: Any
    stop: list[str] | None
    more: Mapping[str, Any]

    def bound(self, model: BaseChatModel) -> Runnable[Any, Any]:
        """The framework's own model with all of it."""
        chosen = {} if self.choice is None else {"tool_choice": self.choice}
        bound: Runnable[Any, Any] = model.bind_tools(list(self.tools), **chosen) if self.tools else model
        more = {**self.more, **({} if self.stop is None else {"stop": self.stop})}
        return bound.bind(**more) if more else bound


def offered(stop: list[str] | None, named: Mapping[str, Any]) -> Offered:
    """What is in the arguments of a request."""
    more = {name: value for name, value in named.items() if name not in ("tools", "tool_choice")}
    return Offered(tuple(named.get("tools") or ()), named.get("tool_choice"), stop, more)


def schema_of(tool: BaseTool) -> Mapping[str, Any]:
    """The schema of the arguments that a model gives."""
    shown = cast("Mapping[str, Any]", convert_to_openai_tool(tool))
    return cast("Mapping[str, Any]", shown["function"].get("parameters") or {})


def requested(messages: Sequence[BaseMessage], what: Offered, named: Named, *, is_sent: bool) -> ModelRequest:
    """The request in our words. `is_sent`: what these have no words for must not be left out."""
    leading = messages[0] if messages and isinstance(messages[0], SystemMessage) else None
    rest = messages if leading is None else messages[1:]
    return ModelRequest(
        system="" if leading is None else _text(leading, is_sent=is_sent),
        messages=tuple(_message(each, named, is_sent=is_sent) for each in rest),
        tools=tuple(_tool(each, named) for each in what.tools),
        max_tokens=int(what.more.get("max_tokens") or MAX_TOKENS),
        tool_choice=_choice(what, named),
    )


def _choice(what: Offered, named: Named) -> ToolChoice | ToolName:
    match what.choice:
        case None | "auto":
            return "auto"
        case "none" | False:
            return "none"
        case "any" | "required" | True:
            return "required"
        case str(name):
            return ToolName(named(name))
        case _:
            return "required"


def _tool(tool: Any, named: Named) -> ToolSpec:
    shown = cast("Mapping[str, Any]", convert_to_openai_tool(tool)["function"])
    schema = cast("Mapping[str, Any]", shown.get("parameters") or {"type": "object", "properties": {}})
    return ToolSpec(ToolName(named(str(shown["name"]))), str(shown.get("description", "")), "none", schema, {})


def _message(message: BaseMessage, named: Named, *, is_sent: bool) -> ModelMessage:
    text = _text(message, is_sent=is_sent)
    match message:
        case AIMessage():
            calls = tuple(
                ModelCall(str(each["id"]), ToolName(named(each["name"])), msgspec.json.encode(each["args"]))
                for each in message.tool_calls
            )
            blocks = base64.b64decode(str(message.additional_kwargs.get(BLOCKS, "")))
            return ModelMessage("assistant", text, calls, blocks=blocks)
        case ToolMessage():
            return ModelMessage("tool", text, result_of=str(message.tool_call_id))
        case SystemMessage():
            return ModelMessage("system", text)
        case _:
            return ModelMessage("user", text)


def _text(message: BaseMessage, *, is_sent: bool) -> str:
    content = message.content
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif part.get("type") == "text":
            texts.append(str(part.get("text", "")))
        elif is_sent and not isinstance(message, AIMessage):
            step = "Ask the graph's own model, or send words only."
            raise unsupported(f"A message holds a part of type {part.get('type')!r}.", step)
        else:
            texts.append(f"[{part.get('type')}]")
    return "\n".join(texts)


# -- replies -----------------------------------------------------------------------------------------------------


def responded(reply: ModelReply, owned: Named) -> AIMessage:
    """Our reply as a message of LangChain's. `owned` is the name of a tool in the framework."""
    calls = [
        {"name": owned(call.tool), "args": _arguments(call.args), "id": call.id, "type": "tool_call"}
        for call in reply.calls
    ]
    used = reply.usage
    counted = UsageMetadata(input_tokens=used.input_tokens, output_tokens=used.output_tokens, total_tokens=used.tokens)
    kept = {BLOCKS: base64.b64encode(reply.blocks).decode()} if reply.blocks else {}
    return AIMessage(content=reply.text, tool_calls=calls, usage_metadata=counted, additional_kwargs=kept)


def _arguments(args: bytes) -> dict[str, Any]:
    """The arguments that a model wrote; none where they are no object, which the tool then refuses."""
    try:
        return msgspec.json.decode(args or b"{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def kept(name: str, message: AIMessage, named: Named) -> ModelReply:
    """A message of the framework's own model as our reply, which keeps it whole."""
    said = _message(message, named, is_sent=False)
    used = message.usage_metadata
    return ModelReply(
        text=said.text,
        calls=said.calls,
        usage=Usage() if used is None else Usage(used["input_tokens"], used["output_tokens"]),
        model=name,
        blocks=msgspec.json.encode(message_to_dict(message)),
        finish="calls" if said.calls else "end",
        is_estimate=used is None,
    )


def given_back(reply: ModelReply) -> AIMessage:
    """The message that `kept` kept."""
    (message,) = messages_from_dict([msgspec.json.decode(reply.blocks)])
    assert isinstance(message, AIMessage), "only what models said is kept"
    return message


def conversation(earlier: Sequence[Message], text: str) -> list[BaseMessage]:
    """What was said before and what was said now."""
    said: list[BaseMessage] = []
    for message in earlier:
        match message.role:
            case "agent":
                said.append(AIMessage(content=message.text))
            case "customer":
                said.append(HumanMessage(content=message.text))
            case "operator" | "service" | "system":
                said.append(SystemMessage(content=f"The {message.role} wrote: {message.text}"))
    return [*said, HumanMessage(content=text)]
