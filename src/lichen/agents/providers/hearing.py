"""A reply in our words, and its pieces as they come."""

from __future__ import annotations

import msgspec
from pydantic_ai.messages import (
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)

from lichen.agents.providers.blocks import kept
from lichen.agents.providers.spelling import own_name, table
from lichen.agents.providers.transport import REPLY_BYTES_MAX, ReplyTooLarge
from lichen.core.ports.model import (
    Delta,
    DeltaKind,
    Deltas,
    Finish,
    ModelCall,
    ModelError,
    ModelReply,
    ModelRequest,
)
from lichen.core.words.limits import Usage


def heard(provider: str, name: str, request: ModelRequest, response: ModelResponse) -> ModelReply:
    """The whole reply. Raises ModelError: `model_refused`, or `model_malformed` for one that broke off."""
    usage = usage_of(response)
    if response.finish_reason == "content_filter":
        message = f"{name} would not answer this: its provider's filter, or the model itself, refused."
        raise ModelError(message, code="model_refused", usage=usage)
    if response.finish_reason == "error" or response.state != "complete":
        raise ModelError(f"The reply of {name} broke off.", code="model_malformed", usage=usage)
    known = table(tool.name for tool in request.tools)
    parts = [part for part in response.parts if isinstance(part, ToolCallPart)]
    calls = tuple(ModelCall(part.tool_call_id, own_name(part.tool_name, known), _args(part)) for part in parts)
    return ModelReply(
        text="".join(part.content for part in response.parts if isinstance(part, TextPart)),
        calls=calls,
        usage=usage,
        model=name,
        thinking="".join(part.content for part in response.parts if isinstance(part, ThinkingPart)),
        blocks=kept(provider, response),
        finish=_finish(response.finish_reason, has_calls=bool(calls)),
        is_estimate=not response.usage.has_values(),
    )


def _finish(reason: str | None, *, has_calls: bool) -> Finish:
    if reason == "length":
        return "length"
    return "calls" if has_calls else "end"


def usage_of(response: ModelResponse) -> Usage:
    """What the provider says it cost, in tokens. What was read from its cache or put there is part of the input."""
    usage = response.usage
    return Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )


def _args(part: ToolCallPart) -> bytes:
    if isinstance(part.args, str):
        return part.args.encode() or b"{}"
    return msgspec.json.encode(part.args or {})


class Pieces:
    """Passes the pieces of a reply on in our words, and says when there are too many."""

    def __init__(self, deltas: Deltas, request: ModelRequest, bytes_max: int = REPLY_BYTES_MAX) -> None:
        self._deltas, self._left = deltas, bytes_max
        self._known = table(tool.name for tool in request.tools)
        self._calls: dict[int, int] = {}
        self._tools: dict[int, str] = {}

    def take(self, event: ModelResponseStreamEvent) -> bool:
        """Whether there was a piece in this event. Raises ReplyTooLarge."""
        match event:
            case PartStartEvent(index=index, part=TextPart() as part):
                return self._told("text", part.content, index)
            case PartStartEvent(index=index, part=ThinkingPart() as part):
                return self._told("thinking", part.content, index)
            case PartStartEvent(index=index, part=ToolCallPart() as part):
                self._calls.setdefault(index, len(self._calls))
                self._tools[index] = part.tool_name
                return self._told("args", part.args if isinstance(part.args, str) else _json(part.args), index)
            case PartDeltaEvent(index=index, delta=TextPartDelta() as delta):
                return self._told("text", delta.content_delta, index)
            case PartDeltaEvent(index=index, delta=ThinkingPartDelta() as delta):
                return self._told("thinking", delta.content_delta, index)
            case PartDeltaEvent(index=index, delta=ToolCallPartDelta() as delta):
                self._tools[index] = self._tools.get(index, "") + (delta.tool_name_delta or "")
                args = delta.args_delta
                return self._told("args", args if isinstance(args, str) else _json(args), index)
            case _:
                return False

    def _told(self, kind: DeltaKind, text: str | None, index: int) -> bool:
        self._left -= len(text or "")
        if self._left < 0:
            raise ReplyTooLarge("too many pieces")
        if not text:
            return False
        if kind == "args":
            tool = own_name(self._tools[index], self._known)
            self._deltas(Delta(text, kind, self._calls.setdefault(index, len(self._calls)), tool))
        else:
            self._deltas(Delta(text, kind))
        return True


def _json(args: object) -> str:
    return msgspec.json.encode(args).decode() if args else ""
