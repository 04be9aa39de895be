"""A planner that is somebody's own code: an agent of another framework, or a function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import pydantic_core

from lichen.agents.replay.chat import Chat
from lichen.agents.replay.entries import Called, Entry, Opened, Questioned, digest, written
from lichen.agents.replay.passage import PATIENCE_S, Passage
from lichen.agents.replay.tape import Answer, Tape, fresh
from lichen.agents.replay.wanted import WantedAnswer, WantedCall, WantedReply
from lichen.core.ports.call import Outcome
from lichen.core.ports.model import Model, ModelError, ModelMessage, ModelRequest
from lichen.core.ports.plan import CallResult, History, Message, Plan, PlanInput, PlannerKind
from lichen.core.speech.saying import Saying
from lichen.core.speech.wording import cut_off
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import CallId

EARLIER_BYTES_MAX: Final = 64 * 1024  # of the conversation before, which the run records; the newest is kept
ROUNDS_MAX: Final = 32  # of code that goes on asking when the run has to end

Play = Callable[[Chat], Awaitable[Any]]
"""The code: what it returns is the answer. Words, a Saying, or what pydantic writes as JSON."""


class ReplayPlanner:
    """Runs the code from its start for every plan: what it asked for before is told it from the log, and the first
    things that it never asked for are the plan.

    `digest` tells versions of the code apart. `model` is the one that `Chat.model` asks. `patience_s`: how long
    branches in threads may take until what they do not ask for again counts as missing.
    """

    kind: PlannerKind = "own"
    pure: bool = False  # it asks models, and may take its time

    def __init__(self, play: Play, *, digest: str, model: Model | None = None, patience_s: float = PATIENCE_S) -> None:
        self._play = play
        self.digest = digest
        self._model = model
        self._patience_s = patience_s

    async def plan(self, input: PlanInput) -> Plan:
        """What the code asks for next, or its answer. When the run finalizes nothing new is called, and a model is
        asked for the answer without tools.

        Raises Diverged when the code does not ask again for what is recorded, Corrupt (`replay_unreadable`), what a
        model or policy refused, and what the code raises.
        """
        history = await input.history()
        tape = Tape(history.steps, input)
        passage = Passage(tape, input, patience_s=self._patience_s)
        opened = tape.opened or opening(history, input)
        chat = Chat(passage, opened, self._model)
        try:
            code = await passage.run(lambda: self._play(chat))
            if input.reason == "finalize":
                return await _finalized(passage, code)
            head = () if tape.opened else (opened,)
            return _said(passage, code, (*head, *_heard(input)))
        finally:
            await passage.stop()


def opening(history: History, input: PlanInput) -> Opened:
    """What the code is told when it begins; recorded, since the log may show less of the conversation later."""
    earlier: list[Message] = []
    left = EARLIER_BYTES_MAX
    for message in reversed(_before(history.messages, input.input)):
        left -= len(message.text.encode())
        if left < 0:
            break
        earlier.append(message)
    return Opened(input.input, tuple(reversed(earlier)), history.notes)


def _before(messages: Sequence[Message], opening: Sequence[Message]) -> Sequence[Message]:
    """The conversation without the messages that the run was started with, which stand at its end."""
    spoken = [(message.role, message.text) for message in opening]
    ends = [(message.role, message.text) for message in messages[len(messages) - len(spoken) :]]
    return messages[: len(messages) - len(spoken)] if spoken and ends == spoken else messages


def _heard(input: PlanInput) -> tuple[Entry, ...]:
    heard = fresh(input)
    return (heard,) if heard.answers or heard.messages else ()


def _said(passage: Passage, code: asyncio.Task[Any], head: tuple[Entry, ...]) -> Plan:
    """The plan that the code's wishes, its answer or its failure make."""
    entries, says = (*head, *passage.entries), tuple(passage.says)
    if code.done():
        error = _error(code)
        if error is None:
            return Plan(answer=told(code.result()), says=says, blocks=written(entries))
        if not passage.has_reply:
            raise error
        return Plan(says=says, blocks=written(entries))  # what models said is kept; it fails again after that
    calls = [wanted for wanted in passage.wanted if isinstance(wanted, WantedCall)]
    asks = [wanted for wanted in passage.wanted if isinstance(wanted, WantedAnswer)][:1]
    if not (calls or asks or passage.has_reply) and passage.failure is not None:
        raise passage.failure
    asked = [Called(wanted.call.tool, digest(wanted.call.args)) for wanted in calls]
    questions = [Questioned(digest(wanted.question)) for wanted in asks]
    return Plan(
        calls=tuple(wanted.call for wanted in calls),
        waits=tuple(wanted.question for wanted in asks),
        says=says,
        blocks=written((*entries, *asked, *questions)),
    )


def _error(code: asyncio.Task[Any]) -> BaseException | None:
    """Why the code ended without an answer: what a model, a tool or policy said of it, where that is the cause."""
    if code.cancelled():
        return LichenError("The code of the agent cancelled itself.", code="code_cancelled")
    error = code.exception()
    found, seen = error, set[int]()
    while found is not None and id(found) not in seen:
        if isinstance(found, ModelError | LichenError):
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return error


def told(result: Any) -> str | Saying:
    """The answer as a customer is told it: words as they are, anything else as JSON."""
    if result is None:
        return ""
    return result if isinstance(result, str | Saying) else pydantic_core.to_json(result).decode()


# -- the end of a run that reached a limit -----------------------------------------------------------------------


async def _finalized(passage: Passage, code: asyncio.Task[Any]) -> Plan:
    """An answer whatever comes: the code's own, a model's without tools, or that it was cut off."""
    limit, nothing = passage.input.limit or "time", cut_off(passage.input.run.language)
    for _ in range(ROUNDS_MAX):
        if code.done():
            answer = nothing if _error(code) is not None else told(code.result())
            return Plan(answer=answer, says=tuple(passage.says))
        asks = next((wanted for wanted in passage.wanted if isinstance(wanted, WantedReply)), None)
        if asks is not None:
            reply = await passage.input.model(asks.model, _last_request(asks.request, limit))
            return Plan(answer=reply.text.strip() or nothing)
        for wanted in passage.wanted:
            wanted.future.set_result(_nothing(wanted, limit))
        passage.wanted.clear()
        await passage.go_on(code)
    return Plan(answer=nothing)


def _nothing(wanted: object, limit: str) -> CallResult | Answer:
    outcome: Outcome = "denied"
    if isinstance(wanted, WantedCall):
        return CallResult(CallId(""), wanted.call.tool, wanted.call.args, outcome, code=f"limit_{limit}")
    return Answer("expired", b"")


def _last_request(request: ModelRequest, limit: str) -> ModelRequest:
    note = f"The limit of this run was reached: {limit}. Answer now with what is known, and say what is not done."
    messages = (*request.messages, ModelMessage("system", f"{note} You cannot call tools."))
    return msgspec.structs.replace(request, messages=messages, tools=(), output_schema=None, tool_choice="auto")
