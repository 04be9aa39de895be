"""What the runtime and a worker process say to each other: length-prefixed msgpack frames over two pipes."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from lichen.core.ports.call import ARGUMENT_BYTES_MAX, RESULT_BYTES_MAX, CallMeta, Issue, Recovery
from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import LichenError
from lichen.core.words.failure import Failure

PREFIX = struct.Struct(">I")
FRAME_BYTES_MAX = ARGUMENT_BYTES_MAX + 2 * RESULT_BYTES_MAX  # either payload with ample room for what surrounds it


class Job(msgspec.Struct, frozen=True, array_like=True):
    """Run the tool that stands under `name` in `module`, if its contract still has this digest."""

    module: str
    name: str
    digest: str
    args: bytes
    meta: CallMeta


class Returned(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The tool's result as JSON, and its artifacts."""

    result: bytes
    artifacts: bytes = b""


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The tool raised NotDone, or was never started."""

    message: str
    code: str
    retryable: bool
    failure: Failure | None = None
    issues: tuple[Issue, ...] = ()
    recovery: Recovery = ""
    foreign_code: str = ""
    pause_s: float = 0.0


class Raised(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The tool raised something else. `failure` is in its own words, for operators' eyes."""

    message: str
    code: str
    next_step: str
    failure: Failure


class Asked(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The tool raised NeedsAnswer. `schema` is JSON."""

    question: str
    schema: bytes
    state: bytes
    asker: str
    expires_s: float


Answer = Returned | Refused | Raised | Asked


class ToolFailed(LichenError):
    """A tool ended without a result and without saying that nothing happened."""

    code = "tool_failed"
    next_step = "`lichen runs show RUN` has its traceback; correct the tool."
    failure: Failure | None = None  # in the words of the process in which it failed


def _opened(value: Any) -> tuple[bytes, str]:
    """A secret as it goes through the pipe, and nowhere else."""
    if isinstance(value, Secret):
        return value.reveal_bytes(), value.version
    raise NotImplementedError(f"{type(value).__name__} does not go to a worker process")


def _secret(kind: type, value: Any) -> Any:
    assert kind is Secret, "a frame holds nothing else that msgpack does not know"
    return Secret(*value)


_messages = msgspec.msgpack.Encoder(enc_hook=_opened)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_jobs = msgspec.msgpack.Decoder(Job, dec_hook=_secret)


def pack(message: Job | Answer) -> bytes:
    """`message` as one frame."""
    body = _messages.encode(message)
    return PREFIX.pack(len(body)) + body


def unpack_job(body: bytes) -> Job:
    """The job in a frame's body."""
    return _jobs.decode(body)


def unpack_answer(body: bytes) -> Answer:
    """The answer in a frame's body."""
    return _answers.decode(body)
