"""What the OpenAI Agents SDK asks a model, in our words, and our replies in its."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from agents import AgentOutputSchemaBase, FunctionTool, Handoff, Model, ModelResponse, ModelSettings, Tool, Usage
from agents.models.fake_id import FAKE_RESPONSES_ID
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from openai.types.responses import (
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseTextDeltaEvent,
)
from pydantic import TypeAdapter

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import (
    Delta,
    Deltas,
    ModelCall,
    ModelError,
    ModelMessage,
    ModelReply,
    ModelRequest,
    ToolChoice,
)
from lichen.core.ports.plan import Message
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage as OurUsage

MAX_TOKENS: Final = 4_096
Named = Callable[[str], str]
Items = Sequence[Mapping[str, Any]]

_ITEMS: Final[TypeAdapter[list[ResponseOutputItem]]] = TypeAdapter(list[ResponseOutputItem])


def requested(
    system: str | None,
    said: str | Items,
    settings: ModelSettings,
    tools: Sequence[Tool],
    shape: AgentOutputSchemaBase | None,
    handoffs: Sequence[Handoff[Any, Any]],
    named: Named,
) -> ModelRequest:
    """The request in our words."""
    items = [{"role": "user", "content": said}] if isinstance(said, str) else said
    schema = None if shape is None or shape.is_plain_text() else shape.json_schema()
    own = [_tool(tool, named) for tool in tools if isinstance(tool, FunctionTool)]
    return ModelRequest(
        system=system or "",
        messages=tuple(_messages(items, named)),
        tools=(*own, *(_handoff(each) for each in handoffs)),
        output_schema=schema,
        max_tokens=settings.max_tokens or MAX_TOKENS,
        tool_choice=_choice(settings, named),
        temperature=settings.temperature,
    )


def _choice(settings: ModelSettings, named: Named) -> ToolChoice | ToolName:
    match settings.tool_choice:
        case "required":
            return "required"
        case "none":
            return "none"
        case str(name) if name != "auto":
            return ToolName(named(name))
        case _:
            return "auto"


def _tool(tool: FunctionTool, named: Named) -> ToolSpec:
    return ToolSpec(ToolName(named(tool.name)), tool.description, "none", tool.params_json_schema, {})


def _handoff(handoff: Handoff[Any, Any]) -> ToolSpec:
    schema = handoff.input_json_schema or {"type": "object", "properties": {}}
    return ToolSpec(ToolName(handoff.tool_name), handoff.tool_description, "none", schema, {})


def _messages(items: Items, named: Named) -> Iterator[ModelMessage]:
    """The items as messages; what the model said in one go is one message."""
    texts: list[str] = []
    calls: list[ModelCall] = []
    kept = b""
    for item in items:
        kind = item.get("type")
        if kind == "function_call":
            name = ToolName(named(str(item.get("name"))))
            calls.append(ModelCall(str(item.get("call_id")), name, str(item.get("arguments") or "{}").encode()))
        elif kind == "reasoning":
            kept = base64.b64decode(str(item.get("encrypted_content") or "")) if item.get("id") == KEPT else kept
        elif item.get("role") == "assistant":
            texts.append(_text(item.get("content")))
        else:
            if texts or calls:
                yield ModelMessage("assistant", "\n".join(texts), tuple(calls), blocks=kept)
            texts, calls, kept = [], [], b""
            yield _heard(item)
    if texts or calls:
        yield ModelMessage("assistant", "\n".join(texts), tuple(calls), blocks=kept)


def _heard(item: Mapping[str, Any]) -> ModelMessage:
    if item.get("type") == "function_call_output":
        return ModelMessage("tool", _text(item.get("output")), result_of=str(item.get("call_id")))
    if item.get("role") in ("system", "developer"):
        return ModelMessage("system", _text(item.get("content")))
    return ModelMessage("user", _text(item.get("content")))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = cast("Sequence[Mapping[str, Any]]", content or ())
    return "\n".join(str(part.get("text") or f"[{part.get('type')}]") for part in parts)


# -- replies -----------------------------------------------------------------------------------------------------

KEPT: Final = "lichen"  # the id of an item that holds what our provider wants back


def responded(reply: ModelReply, owned: Named) -> ModelResponse:
    """Our reply in the SDK's words. `owned` is the name of a tool in the framework."""
    output: list[ResponseOutputItem] = []
    if reply.blocks:
        kept = base64.b64encode(reply.blocks).decode()
        output.append(ResponseReasoningItem(id=KEPT, summary=[], type="reasoning", encrypted_content=kept))
    if reply.text or not reply.calls:
        text = ResponseOutputText(annotations=[], text=reply.text, type="output_text", logprobs=[])
        output.append(
            ResponseOutputMessage(
                id=FAKE_RESPONSES_ID, content=[text], role="assistant", status="completed", type="message"
            )
        )
    for call in reply.calls:
        args = call.args.decode("utf-8", "replace") or "{}"
        output.append(
            ResponseFunctionToolCall(
                id=FAKE_RESPONSES_ID, call_id=call.id, name=owned(call.tool), arguments=args, type="function_call"
            )
        )
    return ModelResponse(output=output, usage=_usage(reply), response_id=None)


def _usage(reply: ModelReply) -> Usage:
    used = reply.usage
    return Usage(requests=1, input_tokens=used.input_tokens, output_tokens=used.output_tokens, total_tokens=used.tokens)


def kept(name: str, response: ModelResponse, named: Named) -> ModelReply:
    """A response of the framework's own model as our reply, which keeps it whole."""
    dumped = _ITEMS.dump_python(response.output, mode="json")
    said = next(iter(_messages(cast("Items", dumped), named)), ModelMessage("assistant"))
    used = response.usage
    return ModelReply(
        text=said.text,
        calls=said.calls,
        usage=OurUsage(used.input_tokens, used.output_tokens, used.input_tokens_details.cached_tokens or 0),
        model=name,
        blocks=_ITEMS.dump_json(response.output),
        finish="calls" if said.calls else "end",
        is_estimate=not used.total_tokens,
    )


def given_back(reply: ModelReply) -> ModelResponse:
    """The response that `kept` kept."""
    return ModelResponse(output=_ITEMS.validate_json(reply.blocks), usage=_usage(reply), response_id=None)


def conversation(earlier: Sequence[Message], text: str) -> list[Any]:
    """What was said before and what was said now, as the SDK takes it."""
    roles = {"agent": "assistant", "customer": "user"}
    said = [{"role": roles.get(each.role, "system"), "content": each.text} for each in earlier]
    return [*said, {"role": "user", "content": text}]


# -- words as they come ------------------------------------------------------------------------------------------


def streams(model: Model) -> bool:
    """Whether it is known that a model can: of others nobody knows what they stream."""
    return isinstance(model, OpenAIResponsesModel | OpenAIChatCompletionsModel)


async def whole(events: AsyncIterator[Any], deltas: Deltas) -> ModelResponse:
    """The response that these events come to; its words go to `deltas`. Raises ModelError (`model_malformed`)."""
    async for event in events:
        if isinstance(event, ResponseTextDeltaEvent):
            deltas(Delta(event.delta))
        elif isinstance(event, ResponseCompletedEvent | ResponseIncompleteEvent):
            response = event.response
            return ModelResponse(response.output, _counted(response.usage), response.id)
    raise ModelError("The reply broke off.", code="model_malformed")


def _counted(usage: Any) -> Usage:
    if usage is None:
        return Usage()
    return Usage(
        requests=1,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        input_tokens_details=usage.input_tokens_details,
        output_tokens_details=usage.output_tokens_details,
    )
