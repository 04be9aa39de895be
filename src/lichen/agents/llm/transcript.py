"""A run's history as a transcript that every provider accepts: each call has exactly one result, right after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from lichen.agents.llm import media
from lichen.agents.llm.outcomes import answered, outcome
from lichen.agents.llm.reminders import noted
from lichen.agents.llm.window import Conversation, Messages, Turn, windowed
from lichen.core.ports.call import UNAVAILABLE
from lichen.core.ports.model import ModelCall, ModelMessage
from lichen.core.ports.plan import CallRequest, CallResult, History, Message, PlanInput, Step, WaitAnswer


class Opening(msgspec.Struct, frozen=True):
    """The messages that started the run. The planner's state: history need not hold them."""

    messages: tuple[Message, ...]


def transcript(history: History, opening: Sequence[Message], input: PlanInput, turns: int) -> Messages:
    """What a model reads: the last `turns` turns, notes, the messages that opened this run, its steps, and what came
    since."""
    return windowed(conversation(history, opening, input), turns=turns).messages


def conversation(history: History, opening: Sequence[Message], input: PlanInput) -> Conversation:
    """All that a model may read, in parts.

    Results are in call order. A call without a result, and a result without a call, get their other half made up.
    """
    used: set[str] = set()
    steps = _completed(history.steps, input)
    done = 0 if history.done is None else history.done.steps
    told = [(end, tuple(_step(end - 1, step, used))) for end, step in enumerate(steps, 1) if end > done]
    if not steps:
        told.append((0, tuple(_since(input.answers, input.input if input.input != tuple(opening) else ()))))
    said = [(end, messages) for end, messages in told if messages]
    return Conversation(
        turns=_turns(_without(history.messages, opening)),
        notes=tuple(ModelMessage("system", f"Note: {note}") for note in history.notes),
        opening=tuple(_heard(message) for message in opening),
        steps=tuple(messages for _, messages in said),
        ends=tuple(end for end, _ in said),
    )


# -- the conversation --------------------------------------------------------------------------------------------


def _turns(messages: Sequence[Message]) -> tuple[Turn, ...]:
    """The messages in turns; each starts with what the customer wrote after the agent spoke."""
    starts = [
        i for i, m in enumerate(messages) if m.role == "customer" and (i == 0 or messages[i - 1].role != "customer")
    ]
    bounds = [0, *starts[1:], len(messages)]
    parts = (messages[a:b] for a, b in pairwise(bounds))
    return tuple(Turn(tuple(map(_spoken, part)), len(part)) for part in parts if part)


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
            text, seen = media.heard(message)
            return ModelMessage("user", text, media=seen)
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
    answers = {answer.wait for answer in last.answers}
    fresh = input.input if last.inputs[-len(input.input) :] != input.input else ()
    completed = msgspec.structs.replace(
        last,
        results=(*last.results, *(r for r in input.results if r.call not in known)),
        answers=(*last.answers, *(a for a in input.answers if a.wait not in answers)),
        inputs=(*last.inputs, *fresh),
    )
    return (*steps[:-1], completed)


def _step(number: int, step: Step, used: set[str]) -> list[ModelMessage]:
    """What the assistant said and called, the results in call order, then what came in."""
    text = "\n".join(step.says)
    pairs = _paired(step)
    calls = [_call(number, i, pair, used) for i, pair in enumerate(pairs)]
    blocks = step.blocks if len(calls) == len(step.calls) else b""  # they are of exactly these calls
    messages = [ModelMessage("assistant", text, tuple(calls), blocks=blocks)] if text or calls else []
    for call, pair in zip(calls, pairs, strict=True):
        messages.append(ModelMessage("tool", outcome(pair.result), result_of=call.id))
    reminders = noted(pair.result.reminder for pair in pairs if pair.result is not None)
    return [*messages, *reminders, *_since(step.answers, step.inputs)]


def _since(answers: Iterable[WaitAnswer], inputs: Iterable[Message]) -> list[ModelMessage]:
    return [*(answered(answer) for answer in answers), *(_heard(message) for message in inputs)]


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
