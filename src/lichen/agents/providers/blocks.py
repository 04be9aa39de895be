"""What a provider wants back with the next request: its own parts, kept as bytes, and read again for it alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import msgspec
from pydantic import ValidationError
from pydantic_ai.messages import (
    ModelMessagesTypeAdapter,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)

from lichen.agents.providers.spelling import wire_name
from lichen.core.ports.model import ModelCall, ModelMessage

BYTES_MAX: Final = 1024 * 1024  # of one reply's; a longer one is sent back as plain text

_KEPT = (TextPart, ThinkingPart, ToolCallPart)


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """Whose parts they are, and the parts in pydantic-ai's own JSON."""

    provider: str
    response: bytes


def kept(provider: str, response: ModelResponse) -> bytes:
    """The parts of a reply that its provider would miss, as bytes; empty where the text and the calls say it all."""
    if not any(_is_own(part) for part in response.parts):
        return b""
    parts = [part for part in response.parts if isinstance(part, _KEPT)]
    bare = ModelResponse(
        parts,
        model_name=response.model_name,
        provider_name=response.provider_name,
        canonical_system=response.canonical_system,
    )
    data = msgspec.msgpack.encode(_Kept(provider, ModelMessagesTypeAdapter.dump_json([bare], exclude_none=True)))
    return data if len(data) <= BYTES_MAX else b""


def _is_own(part: ModelResponsePart) -> bool:
    return isinstance(part, ThinkingPart) or bool(getattr(part, "provider_details", None))


def given_back(provider: str, message: ModelMessage) -> ModelResponse | None:
    """The reply that a message was made of, as its provider said it. None where another one did, where nothing was
    kept, and where the message says or calls something else by now."""
    response = _read(provider, message.blocks) if message.blocks else None
    if response is None:
        return None
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    named = [part.tool_name for part in calls] == [wire_name(call.tool) for call in message.calls]
    if not named or text.strip() != message.text.strip():
        return None
    replaced = iter([_with_args(part, call) for part, call in zip(calls, message.calls, strict=True)])
    parts: Sequence[ModelResponsePart] = [
        next(replaced) if isinstance(part, ToolCallPart) else part for part in response.parts
    ]
    return dataclasses.replace(response, parts=parts)


def _read(provider: str, blocks: bytes) -> ModelResponse | None:
    try:
        found = msgspec.msgpack.decode(blocks, type=_Kept)
        messages = ModelMessagesTypeAdapter.validate_json(found.response) if found.provider == provider else []
    except (msgspec.MsgspecError, ValidationError, UnicodeDecodeError):
        return None  # of another version
    first = messages[0] if messages else None
    return first if isinstance(first, ModelResponse) else None


def _with_args(part: ToolCallPart, call: ModelCall) -> ToolCallPart:
    """The provider's call with the arguments of the transcript, should they differ in more than spelling."""
    try:
        same = msgspec.json.decode(call.args or b"{}") == part.args_as_dict()
    except msgspec.DecodeError:
        same = False
    return part if same else dataclasses.replace(part, args=(call.args or b"{}").decode("utf-8", "replace"))
