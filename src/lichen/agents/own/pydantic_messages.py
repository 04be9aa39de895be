"""What Pydantic AI asks a model, in our words, and our replies in its."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import (
    Finish,
    Media,
    MediaKind,
    ModelCall,
    ModelReply,
    ToolChoice,
)
from lichen.core.ports.model import ModelMessage as OurMessage
from lichen.core.ports.model import ModelRequest as OurRequest
from lichen.core.ports.plan import Message
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage

BLOCKS: Final = "lichen_blocks"  # among a response's details: what our provider wants back
MAX_TOKENS: Final = 4_096

Named = Callable[[str], str]
"""The name of a tool in our words."""


def requested(
    messages: Sequence[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters, named: Named
) -> OurRequest:
    """The request in our words. What these have no words for is there as the text that stands for it."""
    said = settings or {}
    instructions = [part.content for part in parameters.instruction_parts or ()] or _instructed(messages)
    shape = parameters.output_object
    tools = [*parameters.function_tools, *parameters.output_tools]
    return OurRequest(
        system="\n\n".join(text for text in instructions if text),
        messages=tuple(each for message in messages for each in _messages(message, named)),
        tools=tuple(_tool(tool, named) for tool in tools),
        output_schema=shape.json_schema if shape is not None and parameters.output_mode != "tool" else None,
        max_tokens=said.get("max_tokens") or MAX_TOKENS,
        output_name=(shape.name if shape is not None else None) or "answer",
        tool_choice=_choice(parameters, said),
        temperature=said.get("temperature"),
    )


def _instructed(messages: Sequence[ModelMessage]) -> list[str]:
    """The instructions that hold now: those of the newest request."""
    newest = next((each for each in reversed(messages) if isinstance(each, ModelRequest)), None)
    return [newest.instructions] if newest is not None and newest.instructions else []


def _choice(parameters: ModelRequestParameters, said: Mapping[str, Any]) -> ToolChoice:
    """A run whose output is a tool's must call one."""
    chosen = said.get("tool_choice")
    if chosen in ("auto", "required", "none"):
        return chosen
    return "auto" if parameters.allow_text_output or not parameters.output_tools else "required"


def _tool(tool: ToolDefinition, named: Named) -> ToolSpec:
    name = ToolName(named(tool.name))
    return ToolSpec(name, tool.description or "", "none", tool.parameters_json_schema, {})


def _messages(message: ModelMessage, named: Named) -> Iterator[OurMessage]:
    if isinstance(message, ModelResponse):
        yield _said(message, named)
        return
    for part in message.parts:
        match part:
            case SystemPromptPart():
                yield OurMessage("system", part.content)
            case UserPromptPart():
                yield _heard(part)
            case ToolReturnPart():
                yield OurMessage("tool", part.model_response_str(), result_of=part.tool_call_id)
            case RetryFeedbackPart():
                yield OurMessage("user", part.model_response())
            case _:
                text = getattr(part, "content", "")
                yield OurMessage("system", text if isinstance(text, str) else repr(type(part).__name__))


def _said(response: ModelResponse, named: Named) -> OurMessage:
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    kept = (response.provider_details or {}).get(BLOCKS, "")
    return OurMessage(
        "assistant",
        "".join(part.content for part in response.parts if isinstance(part, TextPart)),
        tuple(ModelCall(part.tool_call_id, ToolName(named(part.tool_name)), _args(part)) for part in calls),
        blocks=base64.b64decode(kept),
    )


def _heard(part: UserPromptPart) -> OurMessage:
    if isinstance(part.content, str):
        return OurMessage("user", part.content)
    texts: list[str] = []
    media: list[Media] = []
    for each in part.content:
        match each:
            case str():
                texts.append(each)
            case TextContent():
                texts.append(str(each.content))
            case BinaryContent():
                media.append(Media(_kind(each.media_type), each.media_type, each.data))
            case _:
                texts.append(f"[{type(each).__name__} {getattr(each, 'url', '')}]")
    return OurMessage("user", "\n".join(texts), media=tuple(media))


def _kind(media_type: str) -> MediaKind:
    kind = media_type.partition("/")[0]
    return "image" if kind == "image" else "audio" if kind == "audio" else "document"


def _args(part: ToolCallPart) -> bytes:
    return part.args_as_json_str().encode()


# -- replies -----------------------------------------------------------------------------------------------------


def responded(reply: ModelReply, owned: Named) -> ModelResponse:
    """Our reply in Pydantic AI's words. `owned` is the name of a tool in the framework."""
    parts: list[Any] = [ThinkingPart(reply.thinking)] if reply.thinking else []
    parts += [TextPart(reply.text)] if reply.text else []
    parts += [ToolCallPart(owned(call.tool), call.args.decode() or "{}", call.id) for call in reply.calls]
    usage = RequestUsage(input_tokens=reply.usage.input_tokens, output_tokens=reply.usage.output_tokens)
    kept = {BLOCKS: base64.b64encode(reply.blocks).decode()} if reply.blocks else None
    return ModelResponse(parts, usage=usage, model_name=reply.model or None, provider_details=kept)


def kept(name: str, response: ModelResponse, named: Named) -> ModelReply:
    """A response of the framework's own model as our reply, which keeps it whole."""
    said = _said(response, named)
    usage = response.usage
    return ModelReply(
        text=said.text,
        calls=said.calls,
        usage=Usage(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens),
        model=name,
        thinking="".join(part.content for part in response.parts if isinstance(part, ThinkingPart)),
        blocks=ModelMessagesTypeAdapter.dump_json([response]),
        finish=_finish(response),
        is_estimate=not usage.has_values(),
    )


def given_back(reply: ModelReply) -> ModelResponse:
    """The response that `kept` kept."""
    response = ModelMessagesTypeAdapter.validate_json(reply.blocks)[0]
    assert isinstance(response, ModelResponse), "only responses are kept"
    return response


def _finish(response: ModelResponse) -> Finish:
    match response.finish_reason:
        case "length":
            return "length"
        case "content_filter":
            return "refused"
        case "tool_call":
            return "calls"
        case _:
            return "end"


# -- the conversation --------------------------------------------------------------------------------------------


def conversation(earlier: Sequence[Message]) -> list[ModelMessage]:
    """What was said before, as a history that the framework goes on from."""
    said: list[ModelMessage] = []
    for message in earlier:
        match message.role:
            case "agent":
                said.append(ModelResponse([TextPart(message.text)]))
            case "customer":
                said.append(ModelRequest([UserPromptPart(message.text)]))
            case "operator" | "service" | "system":
                said.append(ModelRequest([SystemPromptPart(f"The {message.role} wrote: {message.text}")]))
    return said
