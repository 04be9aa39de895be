"""What a plan of somebody's own code leaves in the log, for when the code is run again.

Each plan records what it obtained since the one before, so a run records everything once. The calls and questions of a
plan stand in it already; here is only what tells them apart.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from lichen.core.ports.model import ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import Message
from lichen.core.words.errors import Corrupt
from lichen.core.words.wait import WaitOutcome

END_CHARS: Final = 300  # of the last message of a request, for whoever compares two
_DIGEST_BYTES: Final = 16


class Outline(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What tells one request to a model from another: its model, digests of its parts, how many messages it has, and
    how it ends, for operators."""

    model: str
    system: bytes
    tools: bytes
    settings: bytes
    messages: bytes
    count: int
    end: str

    @property
    def key(self) -> tuple[str | bytes | int, ...]:
        """The same for the same request."""
        return ("model", self.model, self.system, self.tools, self.settings, self.messages, self.count)


class Replied(msgspec.Struct, frozen=True, array_like=True, tag="reply"):
    """A model's reply."""

    asked: Outline
    reply: ModelReply


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """A request that a model, or policy, refused for good: the code is told it as it was told then."""

    asked: Outline
    code: str
    message: str
    is_denied: bool = False


class Called(msgspec.Struct, frozen=True, array_like=True, tag="call"):
    """The next of the plan's calls, as the code asked for it: the log has its arguments with defaults filled in."""

    tool: str
    args: bytes  # digest

    @property
    def key(self) -> tuple[str | bytes, ...]:
        """The same for the same call."""
        return ("call", self.tool, self.args)


class Questioned(msgspec.Struct, frozen=True, array_like=True, tag="question"):
    """The next of the plan's questions."""

    question: bytes  # digest

    @property
    def key(self) -> tuple[str | bytes, ...]:
        """The same for the same question."""
        return ("question", self.question)


class Said(msgspec.Struct, frozen=True, array_like=True, tag="said"):
    """A message that was sent meanwhile."""

    text: bytes  # digest

    @property
    def key(self) -> tuple[str | bytes, ...]:
        """The same for the same words."""
        return ("said", self.text)


class Told(msgspec.Struct, frozen=True, array_like=True, tag="time"):
    """The time that the code was told, in microseconds since 1970."""

    us: int


class Heard(msgspec.Struct, frozen=True, array_like=True, tag="heard"):
    """What came since the plan before: how questions ended, and what else was said."""

    answers: tuple[tuple[WaitOutcome, bytes], ...] = ()
    messages: tuple[Message, ...] = ()


class Opened(msgspec.Struct, frozen=True, array_like=True, tag="opened"):
    """What the code was told when it began: the messages that started the run, and the conversation before."""

    messages: tuple[Message, ...]
    earlier: tuple[Message, ...] = ()
    notes: tuple[str, ...] = ()


Entry = Replied | Failed | Called | Questioned | Said | Told | Heard | Opened

_VERSION: Final = b"\x01"
_ENTRIES: Final = msgspec.msgpack.Decoder(tuple[Entry, ...])


def written(entries: tuple[Entry, ...]) -> bytes:
    """The entries of one plan as its `blocks`."""
    return _VERSION + msgspec.msgpack.encode(entries)


def read(blocks: bytes) -> tuple[Entry, ...]:
    """What `written` wrote. Raises Corrupt (`replay_unreadable`)."""
    try:
        if blocks[:1] != _VERSION:
            raise ValueError("another version")
        return _ENTRIES.decode(blocks[1:])
    except ValueError:  # msgspec's errors are some
        message = "An earlier plan of this run was not made by code that is run again."
        step = "Let the run end, or cancel it with `lichen runs cancel`; new runs are planned by the agent as it is."
        raise Corrupt(message, code="replay_unreadable", next_step=step) from None


def digest(value: object) -> bytes:
    """Tells values apart that msgspec can write."""
    return hashlib.sha256(msgspec.msgpack.encode(value, order="sorted")).digest()[:_DIGEST_BYTES]


def outline(model: str, request: ModelRequest) -> Outline:
    """What tells this request from others."""
    settings = (
        request.output_schema,
        request.output_name,
        request.max_tokens,
        request.tool_choice,
        request.temperature,
        request.thinking,
    )
    return Outline(
        model=model,
        system=digest(request.system),
        tools=digest(request.tools),
        settings=digest(settings),
        messages=digest(request.messages),
        count=len(request.messages),
        end=_end(request.messages[-1]) if request.messages else "",
    )


def _end(message: ModelMessage) -> str:
    calls = ", ".join(f"{call.tool}({call.args.decode('utf-8', 'replace')})" for call in message.calls)
    text = f"{message.role}: {message.text or calls}"
    return text if len(text) <= END_CHARS else f"{text[:END_CHARS]}…"
