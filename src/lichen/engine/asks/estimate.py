"""How many tokens a request and a reply may have, by their length: no tokenizer, and rather too many."""

from __future__ import annotations

from typing import Final

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import Media, ModelMessage, ModelReply, ModelRequest

ASCII_PER_TOKEN: Final = 3  # English has more than four, JSON and code about three
MESSAGE_TOKENS: Final = 8  # of what a provider puts around each message, call and tool
IMAGE_TOKENS: Final = 1_600
BYTES_PER_TOKEN: Final = 32  # of a document or a sound


def tokens_of(text: str) -> int:
    """The tokens of a text: a third of its ASCII characters, and one for each other character."""
    if text.isascii():
        return -(-len(text) // ASCII_PER_TOKEN)
    others = sum(not character.isascii() for character in text)
    return others + -(-(len(text) - others) // ASCII_PER_TOKEN)


def input_tokens(request: ModelRequest) -> int:
    """The tokens a model reads."""
    schema = 0 if request.output_schema is None else _bytes(len(msgspec.json.encode(request.output_schema)))
    tools = sum(_tool(tool) for tool in request.tools)
    return tokens_of(request.system) + MESSAGE_TOKENS + schema + tools + sum(map(_message, request.messages))


def output_tokens(reply: ModelReply) -> int:
    """The tokens a model wrote, where nobody says."""
    calls = sum(_bytes(len(call.args)) + MESSAGE_TOKENS for call in reply.calls)
    return tokens_of(reply.text) + tokens_of(reply.thinking) + calls


def _message(message: ModelMessage) -> int:
    calls = sum(_bytes(len(call.args)) + MESSAGE_TOKENS for call in message.calls)
    media = sum(map(_media, message.media))
    return MESSAGE_TOKENS + tokens_of(message.text) + _bytes(len(message.blocks)) + calls + media


def _media(media: Media) -> int:
    return IMAGE_TOKENS if media.kind == "image" else _bytes(len(media.data), BYTES_PER_TOKEN)


def _bytes(size: int, per_token: int = ASCII_PER_TOKEN) -> int:
    return -(-size // per_token)


def _tool(tool: ToolSpec) -> int:
    described = tokens_of(tool.name) + tokens_of(tool.description)
    return MESSAGE_TOKENS + described + _bytes(len(msgspec.json.encode(tool.input_schema)))
