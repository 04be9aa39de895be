"""A request of ours in pydantic-ai's words: messages, parameters and settings, the same for every provider."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec
from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    InstructionPart,
    ModelRequestPart,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.messages import ModelMessage as WireMessage
from pydantic_ai.messages import ModelRequest as WireRequest
from pydantic_ai.messages import ModelResponse as WireResponse
from pydantic_ai.models import Model as WireModel
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings, ThinkingEffort
from pydantic_ai.tools import ToolDefinition

from lichen.agents.providers.blocks import given_back
from lichen.agents.providers.spelling import spelt_in, wire_name
from lichen.core.ports.model import Effort, ModelMessage, ModelRequest

_SCALARS = ("auto", "required", "none")
_THINKING_TOKENS: Final[Mapping[ThinkingEffort, int]] = {
    "minimal": 1_024,
    "low": 2_048,
    "medium": 10_000,
    "high": 16_384,
}
_ANSWER_TOKENS: Final = 256
_SHAPED: Final = "Reply with one JSON value that fits this schema, and with nothing around it:\n\n{schema}"
_BEDROCK_ADAPTIVE: Final = "bedrock_supports_adaptive_thinking"


class Asked(NamedTuple):
    """What pydantic-ai is called with."""

    messages: list[WireMessage]
    settings: ModelSettings
    parameters: ModelRequestParameters


def enforces(model: WireModel[Any], schema: Mapping[str, Any]) -> bool:
    """Whether this model's provider can hold a reply to a schema. Anthropic's client closes every object of one, so
    what has fields of any name could only be empty there."""
    is_able = bool(model.profile.get("supports_json_schema_output", False))
    return is_able and not (model.system == "anthropic" and _is_open(schema))


def makes(model: WireModel[Any], what: Asked) -> bool:
    """Whether the provider's library can make a request of this: not every schema can be told in its way."""
    try:
        model.prepare_request(what.settings, what.parameters)
    except Exception:  # noqa: BLE001 - it may raise anything over a schema it does not expect
        return False
    return True


def _is_open(node: object) -> bool:
    """Whether an object in a schema may have fields of names that the schema does not say."""
    if isinstance(node, list):
        return any(map(_is_open, cast("list[object]", node)))
    if not isinstance(node, dict):
        return False
    fields = cast("dict[str, object]", node)
    is_object = fields.get("type") == "object"
    is_open = fields.get("additionalProperties", not fields.get("properties")) is not False
    return (is_object and is_open) or "patternProperties" in fields or any(map(_is_open, fields.values()))


def asked(provider: str, model: WireModel[Any], request: ModelRequest, *, enforced: bool) -> Asked:
    """The request as this model of a provider takes it. A schema is `enforced` by the provider, or told in words."""
    parameters = _parameters(request, enforced=enforced)
    if request.output_schema is not None and not enforced and not makes(model, Asked([], ModelSettings(), parameters)):
        parameters = _in_plain_words(request, parameters)
    messages = _Transcript(provider).of(request)
    return Asked(model.prepare_messages(messages, parameters), _settings(model, request), parameters)


def _parameters(request: ModelRequest, *, enforced: bool) -> ModelRequestParameters:
    tools = [
        ToolDefinition(
            name=wire_name(tool.name),
            parameters_json_schema=dict(tool.input_schema),
            description=tool.description,
        )
        for tool in request.tools
    ]
    instructions = [InstructionPart(content=request.system)] if request.system else []
    plain = ModelRequestParameters(function_tools=tools, instruction_parts=instructions)
    if request.output_schema is None:
        return plain
    # A provider that cannot enforce a schema is told of it in words; what comes is checked by whoever asked.
    shape = OutputObjectDefinition(dict(request.output_schema), name=request.output_name)
    return dataclasses.replace(plain, output_mode="native" if enforced else "prompted", output_object=shape)


def _in_plain_words(request: ModelRequest, parameters: ModelRequestParameters) -> ModelRequestParameters:
    """The parameters with a schema that the provider's library cannot make its own: it is told as it is."""
    told = _SHAPED.format(schema=msgspec.json.encode(request.output_schema).decode())
    instructions = [*(parameters.instruction_parts or ()), InstructionPart(content=told)]
    return dataclasses.replace(parameters, output_mode="text", output_object=None, instruction_parts=instructions)


def _settings(model: WireModel[Any], request: ModelRequest) -> ModelSettings:
    settings = ModelSettings(max_tokens=request.max_tokens)
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    effort = None if request.thinking is None else _effort(model, request.thinking, request.max_tokens)
    if effort is not None:
        settings["thinking"] = effort
    if not request.parallel and request.tools and "parallel_tool_calls" not in model.unsupported_settings:
        settings["parallel_tool_calls"] = False
    if request.keep:
        is_marked = any(message.is_kept for message in request.messages)
        settings["cache"] = {"messages": not is_marked}
    if request.tool_choice != "auto":
        is_scalar = request.tool_choice in _SCALARS
        settings["tool_choice"] = request.tool_choice if is_scalar else [wire_name(request.tool_choice)]  # type: ignore[typeddict-item]
    return settings


def _effort(model: WireModel[Any], wanted: Effort, max_tokens: int) -> ThinkingEffort | None:
    """The effort that is wanted, or the next smaller one that leaves room for an answer: Claude models that think by a
    number of tokens refuse a request whose thinking could take all it may say. None where there is room for neither."""
    profile: Any = model.profile
    is_claude = model.system == "anthropic" or profile.get("bedrock_thinking_variant") == "anthropic"
    if not is_claude or profile.get("anthropic_supports_adaptive_thinking") or profile.get(_BEDROCK_ADAPTIVE):
        return wanted
    fitting: list[ThinkingEffort] = [
        effort for effort, tokens in _THINKING_TOKENS.items() if tokens + _ANSWER_TOKENS <= max_tokens
    ]
    smaller = fitting[: list(_THINKING_TOKENS).index(wanted) + 1]
    return smaller[-1] if smaller else None


class _Transcript:
    """The messages of one request. Calls that no provider named get short names of their own, by their place."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._ids: dict[str, str] = {}
        self._tools: dict[str, str] = {}
        self._said: set[str] = set()

    def of(self, request: ModelRequest) -> list[WireMessage]:
        """Whatever is not the model's own goes together until it speaks again."""
        messages: list[WireMessage] = []
        pending: list[ModelRequestPart] = []
        for message in request.messages:
            if message.role != "assistant":
                pending.extend(self._heard(message, keeps=request.keep))
            elif response := self._spoken(message):
                if pending:
                    messages.append(WireRequest(pending))
                    pending = []
                messages.append(response)
        return [*messages, WireRequest(pending)] if pending else messages

    def _heard(self, message: ModelMessage, *, keeps: bool) -> Iterator[ModelRequestPart]:
        mark: list[UserContent] = [CachePoint()] if keeps and message.is_kept else []
        match message.role:
            case "system":
                yield SystemPromptPart(spelt_in(message.text))
            case "tool":
                call = message.result_of or ""
                yield ToolReturnPart(self._tools.get(call, "tool"), message.text, self._ids.get(call, call))
                if mark:
                    yield UserPromptPart(mark)
            case _:
                media = [BinaryContent(each.data, media_type=each.media_type) for each in message.media]
                text: list[UserContent] = [message.text] if message.text else []
                content: list[UserContent] = [*text, *media, *mark]
                yield UserPromptPart(message.text if content == text else content)

    def _spoken(self, message: ModelMessage) -> WireResponse | None:
        """The model's own words and calls: as its provider said them where that is at hand."""
        own = given_back(self._provider, message)
        if own is not None:
            parts = [self._renamed(part) if isinstance(part, ToolCallPart) else part for part in own.parts]
            calls = [part for part in parts if isinstance(part, ToolCallPart)]
            for call, part in zip(message.calls, calls, strict=True):
                self._ids[call.id], self._tools[call.id] = part.tool_call_id, part.tool_name
            return dataclasses.replace(own, parts=parts)
        spoken: list[ModelResponsePart] = [TextPart(message.text)] if message.text else []
        for call in message.calls:
            args = (call.args or b"{}").decode("utf-8", "replace")
            part = self._renamed(ToolCallPart(wire_name(call.tool), args, ""))
            self._ids[call.id], self._tools[call.id] = part.tool_call_id, part.tool_name
            spoken.append(part)
        return WireResponse(spoken) if spoken else None

    def _renamed(self, part: ToolCallPart) -> ToolCallPart:
        """The call under the name its provider gave it, if no other call of the transcript has that."""
        id = part.tool_call_id
        if not id or id in self._said:
            id = f"call{len(self._said):05}"
        self._said.add(id)
        return part if id == part.tool_call_id else dataclasses.replace(part, tool_call_id=id)
