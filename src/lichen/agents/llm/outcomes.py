"""How calls and questions ended, in words for a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.agents.rules.answer import answer_text
from lichen.core.ports.call import Issue, Recovery
from lichen.core.ports.model import ModelMessage
from lichen.core.ports.plan import CallResult, WaitAnswer

RESULT_BYTES_MAX = 64 * 1024  # of one result in a transcript; the log keeps all of it
_PREVIEW_CHARS = 2_000
_OPEN = "This call has no result yet. Do not assume how it ends."
_ADVICE = {
    "failed": "Correct the call or answer without it.",
    "denied": "Policy does not allow this. Do not try it again; say so.",
    "cancelled": "The call was stopped before it ended.",
    "timed_out": "The call took too long.",
    "unknown": "Nobody can say yet whether this happened. Do not repeat it; a person is checking.",
}
_FAILED: Mapping[Recovery, str] = {
    "correct_call": "Correct the named fields and call again, as in the example if there is one.",
    "replan": "Do something else, or answer without it.",
    "finish": "Do not call it again. Answer with what is known, and say what is not done.",
}
_SENT_BYTES_MAX = 4 * 1024


class _Told(msgspec.Struct, frozen=True, omit_defaults=True):
    outcome: str
    code: str = ""
    reason: str = ""
    issues: tuple[Issue, ...] = ()
    advice: str = ""
    kind: str = ""
    you_sent: Any = None
    example: Any = None


class _Omitted(msgspec.Struct, frozen=True):
    omitted: bool
    reason: str
    bytes: int
    preview: str


def outcome(result: CallResult | None) -> str:
    """A result as JSON: the data of a good one, else how it ended, why, which arguments were wrong, and what to do."""
    if result is None:
        return _json(_Told("open", advice=_OPEN))
    if result.outcome == "ok":
        return _data(result.data)
    told = _Told(result.outcome, result.code, result.reason, result.issues, _ADVICE[result.outcome], result.kind)
    if result.outcome != "failed" or not result.recovery:
        return _json(told)
    told = msgspec.structs.replace(told, advice=_FAILED[result.recovery])
    if result.recovery != "correct_call":
        return _json(told)
    return _json(msgspec.structs.replace(told, you_sent=_sent(result.args), example=_read(result.example)))


def _sent(args: bytes) -> Any:
    return _read(args) if len(args) <= _SENT_BYTES_MAX else None


def _read(data: bytes) -> Any:
    """A JSON value; None where there is none: a model may have sent anything."""
    try:
        return msgspec.json.decode(data) if data else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _data(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    if len(data) <= RESULT_BYTES_MAX:
        return text or "null"
    return _json(_Omitted(True, "size_limit", len(data), text[:_PREVIEW_CHARS]))


def answered(answer: WaitAnswer) -> ModelMessage:
    """What came of a question: the answer as the customer's words, else how it ended."""
    if answer.outcome != "answered":
        return ModelMessage("system", f"The question that was open ended: {answer.outcome}.")
    return ModelMessage("user", answer_text(answer.body))


def _json(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
