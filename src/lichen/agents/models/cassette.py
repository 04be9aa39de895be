"""Replies of a model kept in a file: recorded once, replayed without it. One JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from lichen.agents import document
from lichen.core.ports.model import Delta, Deltas, Model, ModelCall, ModelError, ModelMessage, ModelReply, ModelRequest
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage

CASSETTE_BYTES_MAX = 64 * 1024 * 1024

T = TypeVar("T")


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    tool: str
    args: str  # as the model wrote it, JSON or not


class _Usage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micro_usd: int = 0


class _Take(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: the digest of a request, and the reply it got."""

    request: str
    text: str
    calls: tuple[_Call, ...] = ()
    usage: _Usage = _Usage()
    model: str = ""


class RecordedModel:
    """Replays a cassette: the same request gets the reply it got when it was recorded.

    Raises Invalid (`cassette_invalid`) with file and line for one that cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        takes = lines(path, _Take, code="cassette_invalid")
        self._replies: Mapping[str, ModelReply] = {take.request: _reply(take) for take in takes}

    @property
    def name(self) -> str:
        """`recorded:` and the file's name."""
        return f"recorded:{self._path.name}"

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """The recorded reply. Raises ModelError (`recording_missing`) naming the digest that is not on the cassette."""
        digest = request_digest(request)
        reply = self._replies.get(digest)
        if reply is None:
            message = f"{self._path} has no reply for the request with digest {digest}. Record it with Recorder."
            raise ModelError(message, code="recording_missing", retryable=False)
        if deltas is not None:
            deltas(Delta(reply.text))
        return reply


class Recorder:
    """Passes requests on to `model` and appends every reply to the cassette at `path`. Of two the later one counts."""

    def __init__(self, model: Model, path: str | Path) -> None:
        self._model = model
        self._path = Path(path)

    @property
    def name(self) -> str:
        """The name of the model that is recorded."""
        return self._model.name

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """The model's reply, which is on the cassette by then. Raises what the model raises."""
        reply = await self._model.generate(request, deltas)
        self._append(_take(request, reply))
        return reply

    def _append(self, take: _Take) -> None:
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(take) + b"\n")


def request_digest(request: ModelRequest) -> str:
    """Identifies what a model gets to see: of a tool its name, description and input schema, and nothing else."""
    messages = [_shown(message) for message in request.messages]
    tools = [(tool.name, tool.description, tool.input_schema) for tool in request.tools]
    seen = (request.system, messages, tools, request.output_schema, request.max_tokens)
    return document.digest("model-request/1", seen)


def _shown(message: ModelMessage) -> tuple[object, ...]:
    calls = [(call.id, call.tool, call.args) for call in message.calls]
    return (message.role, message.text, calls, message.result_of)


def _take(request: ModelRequest, reply: ModelReply) -> _Take:
    calls = tuple(_Call(call.id, call.tool, call.args.decode("utf-8", "replace")) for call in reply.calls)
    usage = _Usage(*(getattr(reply.usage, field) for field in _Usage.__struct_fields__))
    return _Take(request_digest(request), reply.text, calls, usage, reply.model)


def _reply(take: _Take) -> ModelReply:
    calls = tuple(ModelCall(call.id, ToolName(call.tool), call.args.encode()) for call in take.calls)
    usage = Usage(**{field: getattr(take.usage, field) for field in _Usage.__struct_fields__})
    return ModelReply(take.text, calls, usage, take.model)


def lines(path: str | Path, shape: type[T], *, code: str) -> Iterator[T]:
    """The objects of a JSON-lines file, each as `shape`; empty lines are skipped. Raises Invalid with `code`."""
    decoder = msgspec.json.Decoder(shape)
    for number, line in enumerate(document.load(path, CASSETTE_BYTES_MAX, code=code).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as error:
            raise Invalid(f"{error}.", code=code, next_step="Correct the line.", place=f"{path}:{number}") from None
