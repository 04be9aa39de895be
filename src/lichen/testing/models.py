"""Models, planners and planner inputs for tests that need no model, no engine and no log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from lichen.agents.models.cassette import RecordedModel, Recorder
from lichen.agents.models.model import EchoModel, ScriptedModel
from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import Deltas, Model, ModelHandle, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import (
    CallResult,
    History,
    Left,
    Message,
    Plan,
    PlanInput,
    Planner,
    PlanReason,
    RunContext,
    WaitAnswer,
)
from lichen.core.words.ids import AgentName, RunId, SessionId, TurnId
from lichen.core.words.scope import Customer, Scope

__all__ = [
    "EchoModel",
    "RecordedModel",
    "Recorder",
    "ScriptedModel",
    "plan_input",
    "scripted_planner",
    "transcript_faults",
]

PlanLine = Plan | Callable[[PlanInput], Plan]

_LEFT = Left(calls=32, time_s=300.0, tokens=1_000_000)
_HISTORY = History()
_SEPARATOR = b"/"


async def _ask(model: Model, request: ModelRequest, deltas: Deltas | None = None, /) -> ModelReply:
    """The model itself: no gate, no meter."""
    return await model.generate(request, deltas)


def plan_input(
    *said: str | Message,
    reason: PlanReason = "start",
    attempt: int = 1,
    step: int = 0,
    session: str | None = "ses-1",
    results: Sequence[CallResult] = (),
    answers: Sequence[WaitAnswer] = (),
    state: bytes = b"",
    tools: Sequence[ToolSpec] = (),
    left: Left = _LEFT,
    limit: str | None = None,
    history: History = _HISTORY,
    model: ModelHandle = _ask,
    attributes: Mapping[str, str] = {},
) -> PlanInput:
    """What a planner is asked in run `run-1` of tenant acme. `said`: customers' texts, or whole messages."""

    async def read() -> History:
        return history

    return PlanInput(
        run=RunContext(
            scope=Scope("acme", "dev"),
            actor=Customer("customer-7"),
            run=RunId("run-1"),
            agent=AgentName("shop.support"),
            session=None if session is None else SessionId(session),
            turn=None if session is None else TurnId("t1"),
            step=step,
            attributes=attributes,
        ),
        reason=reason,
        attempt=attempt,
        input=tuple(text if isinstance(text, Message) else Message("customer", text) for text in said),
        results=tuple(results),
        answers=tuple(answers),
        state=state,
        tools=tuple(tools),
        left=left,
        limit=limit,
        model=model,
        history=read,
    )


class _ScriptedPlanner:
    """Gives prepared plans in order. The position is in the planner's state, so many runs can follow one script."""

    def __init__(self, plans: Sequence[PlanLine]) -> None:
        self._plans = tuple(plans)

    @property
    def pure(self) -> bool:
        """True: the position comes with the input."""
        return True

    @property
    def digest(self) -> str:
        """The same for every script: tests do not pin them."""
        return "scripted"

    async def plan(self, input: PlanInput) -> Plan:
        """The next plan. Raises AssertionError when there is none left."""
        place, _, state = input.state.partition(_SEPARATOR)
        position = int(place or b"0")
        assert position < len(self._plans), f"the script has {len(self._plans)} plans and was asked for another one"
        line = self._plans[position]
        plan = line(msgspec.structs.replace(input, state=state)) if callable(line) else line
        return msgspec.structs.replace(plan, state=b"%d" % (position + 1) + _SEPARATOR + (plan.state or state))


def scripted_planner(plans: Sequence[PlanLine]) -> Planner:
    """A planner that gives these plans, or what these functions of the input return, one after the other.

    A plan's own state is handed to the functions. Planning beyond the end fails the plan loudly.
    """
    return _ScriptedPlanner(plans)


def transcript_faults(messages: Sequence[ModelMessage]) -> Iterator[str]:
    """What providers would refuse: calls without exactly one result right after them in call order, results of no
    call, ids used twice, calls on other roles than assistant. Yields nothing for a well-formed transcript."""
    used: set[str] = set()
    expected: list[str] = []
    for i, message in enumerate(messages):
        if message.role == "tool":
            if not expected or message.result_of != expected.pop(0):
                yield f"message {i} is a result of {message.result_of}, which is not due"
            continue
        if expected:
            yield f"message {i} comes before the results of {expected}"
            expected = []
        if message.result_of is not None or (message.calls and message.role != "assistant"):
            yield f"message {i} of {message.role} has a part that belongs to another role"
        for call in message.calls:
            if not call.id or call.id in used:
                yield f"message {i} uses the call id {call.id!r} again"
            used.add(call.id)
            expected.append(call.id)
    if expected:
        yield f"the transcript ends before the results of {expected}"
