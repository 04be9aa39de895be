"""A run's history as a transcript that every provider accepts: each call has exactly one result, right after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from lichen.agents.rules.answer import answer_text
from lichen.core.ports.call import UNAVAILABLE, Issue
from lichen.core.ports.model import ModelCall, ModelMessage
from lichen.core.ports.plan import (
    CallRequest,
    CallResult,
    History,
    Message,
    PlanInput,
    Step,
    WaitAnswer,
)

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


class Opening(msgspec.Struct, frozen=True):
    """The messages that started the run. The planner's state: history need not hold them."""

    messages: tuple[Message, ...]


def transcript(history: History, opening: Sequence[Message], input: PlanInput, turns: int) -> tuple[ModelMessage, ...]:
    """What a model reads: earlier turns, notes, the messages that opened this run, its steps, and what came since.

    Results are in call order. A call without a result, and a result without a call, get their other half made up.
    """
    earlier = [_spoken(message) for message in _recent(_without(history.messages, opening), turns)]
    notes = [ModelMessage("system", f"Note: {note}") for note in history.notes]
    messages = [*earlier, *notes, *(_heard(message) for message in opening)]
    used: set[str] = set()
    steps = _completed(history.steps, input)
    for number, step in enumerate(steps):
        messages += _step(number, step, used)
    if not steps:
        messages += _since(input.answers, input.input if input.input != tuple(opening) else ())
    return tuple(messages)


# -- the conversation --------------------------------------------------------------------------------------------


def _recent(messages: Sequence[Message], turns: int) -> Sequence[Message]:
    """The last `turns` turns; each starts with what the customer wrote after the agent spoke."""
    starts = [
        i for i, m in enumerate(messages) if m.role == "customer" and (i == 0 or messages[i - 1].role != "customer")
    ]
    if turns <= 0:
        return ()
    return messages[starts[-turns] :] if len(starts) > turns else messages


def _without(messages: Sequence[Message], opening: Sequence[Message]) -> Sequence[Message]:
    """`messages` without the run's own opening, should they end with it."""
    count = len(opening)
    return messages[:-count] if count and tuple(messages[-count:]) == tuple(opening) else messages


def _spoken(message: Message) -> ModelMessage:
    """A message of the conversation: the agent's own words are the assistant's."""
    return ModelMessage("assistant", message.text) if message.role == "agent" else _heard(message)


def _heard(message: Message) -> ModelMessage:
    """A message to this run. From an agent it comes as from a customer: that agent called this one."""
    match message.role:
        case "customer" | "agent":
            return ModelMessage("user", message.text)
        case "operator" | "service":
            return ModelMessage(
                "system", f"{'An' if message.role == 'operator' else 'A'} {message.role} wrote: {message.text}"
            )
        case "system":
            return ModelMessage("system", message.text)


# -- the run's own steps -----------------------------------------------------------------------------------------


def _completed(steps: Sequence[Step], input: PlanInput) -> tuple[Step, ...]:
    """The steps, the last one with what `input` brings and history did not have yet."""
    if not steps:
        return ()
    last = steps[-1]
    known = {result.call for step in steps for result in step.results}
    answered = {answer.wait for answer in last.answers}
    fresh = input.input if last.inputs[-len(input.input) :] != input.input else ()
    completed = msgspec.structs.replace(
        last,
        results=(*last.results, *(r for r in input.results if r.call not in known)),
        answers=(*last.answers, *(a for a in input.answers if a.wait not in answered)),
        inputs=(*last.inputs, *fresh),
    )
    return (*steps[:-1], completed)


def _step(number: int, step: Step, used: set[str]) -> list[ModelMessage]:
    """What the assistant said and called, the results in call order, then what came in."""
    text = "\n".join(step.says)
    pairs = _paired(step)
    calls = [_call(number, i, pair, used) for i, pair in enumerate(pairs)]
    messages = [ModelMessage("assistant", text, tuple(calls))] if text or calls else []
    for call, pair in zip(calls, pairs, strict=True):
        messages.append(ModelMessage("tool", outcome(pair.result), result_of=call.id))
    return [*messages, *_since(step.answers, step.inputs)]


def _since(answers: Iterable[WaitAnswer], inputs: Iterable[Message]) -> list[ModelMessage]:
    return [*(_answer(answer) for answer in answers), *(_heard(message) for message in inputs)]


class _Pair(NamedTuple):
    call: CallRequest
    result: CallResult | None


def _paired(step: Step) -> list[_Pair]:
    """Each call with its result. As a rule there is one for each, in call order; an open call leaves a gap."""
    if len(step.calls) == len(step.results):
        return [_Pair(call, result) for call, result in zip(step.calls, step.results, strict=True)]
    left = list(step.results)
    pairs = [_Pair(call, _taken(call, left)) for call in step.calls]
    return [*pairs, *(_Pair(CallRequest(result.tool, result.args), result) for result in left)]


def _taken(call: CallRequest, left: list[CallResult]) -> CallResult | None:
    """Takes the result of `call` out of `left`: same tool and arguments, else same tool, else of a tool not there."""
    fits = [r for r in left if (r.tool, r.args) == (call.tool, call.args)]
    fits += [r for r in left if r.tool == call.tool] + [r for r in left if r.tool == UNAVAILABLE]
    if not fits:
        return None
    left.remove(fits[0])
    return fits[0]


def _call(number: int, index: int, pair: _Pair, used: set[str]) -> ModelCall:
    """The call under an id that is unique in the transcript: the run's own where there is a result."""
    id = str(pair.result.call) if pair.result is not None else f"open_{number}_{index}"
    while not id or id in used:
        id = f"{id}_{number}_{index}"
    used.add(id)
    return ModelCall(id, pair.call.tool, pair.call.args)


# -- how things ended, in words for a model ----------------------------------------------------------------------


class _Told(msgspec.Struct, frozen=True, omit_defaults=True):
    outcome: str
    code: str = ""
    reason: str = ""
    issues: tuple[Issue, ...] = ()
    advice: str = ""


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
    return _json(_Told(result.outcome, result.code, result.reason, result.issues, _ADVICE[result.outcome]))


def _data(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    if len(data) <= RESULT_BYTES_MAX:
        return text or "null"
    return _json(_Omitted(True, "size_limit", len(data), text[:_PREVIEW_CHARS]))


def _answer(answer: WaitAnswer) -> ModelMessage:
    if answer.outcome != "answered":
        return ModelMessage("system", f"The question that was open ended: {answer.outcome}.")
    return ModelMessage("user", answer_text(answer.body))


def _json(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
