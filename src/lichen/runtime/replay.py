"""A run gone through again with no effect performed: its state after every record, and whether its planner would say
the same again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import mailbox as mailboxes
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState, decide, evolve, start_state
from lichen.core.ports.call import InvalidArguments
from lichen.core.ports.model import Deltas, Model, ModelRequest
from lichen.core.ports.plan import CallRequest, Plan
from lichen.core.speech import saying
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import ContentErased, Denied
from lichen.core.words.ids import RunId, SessionId, StreamId, run_stream, session_stream
from lichen.engine.act import Act
from lichen.engine.brief.asking import plan_input
from lichen.engine.drafts.valued import valued
from lichen.engine.drafts.worded import worded_plan
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import AgentDef, Services, agent_of
from lichen.log.records.record import Record

BREATH = 128  # records folded before others get their turn


class OpenCall(msgspec.Struct, frozen=True):
    """A call that is not finished."""

    id: str
    tool: str
    phase: str


class Moment(msgspec.Struct, frozen=True):
    """A record, and the run right after it: what is open, what is owed, what is waited for."""

    seq: int
    n: int
    type: str
    at_us: int
    status: str
    step: int
    calls: tuple[OpenCall, ...]
    waits: tuple[str, ...]
    obligations: tuple[str, ...]


class PlanCheck(msgspec.Struct, frozen=True):
    """A plan that was recorded, and whether the planner, asked again with what it was asked then, says the same.

    `same` is None when it was not asked: `not_replayed` says why (`planner_not_pure`, `agent_unknown`,
    `attempt_failed`, `superseded`, `erased`, `planner_error`, `access_gone`: nobody knows the rules of access any more
    that it was made under). `difference` names the first part that is not the same.
    """

    seq: int
    step: int
    attempt: int
    same: bool | None = None
    difference: str | None = None
    not_replayed: str | None = None


class Replay(msgspec.Struct, frozen=True):
    """A run, moment by moment. `is_same_version`: the agent hosted now is the one the run began with. `same` is None
    when no plan could be asked for again."""

    id: RunId
    agent: str
    status: str
    is_same_version: bool
    same: bool | None
    moments: tuple[Moment, ...]
    plans: tuple[PlanCheck, ...]


async def replay(services: Services, journal: Journal, run: RunId) -> Replay:
    """Goes through all of a run's records. Asks only pure planners, and performs nothing they say."""
    state = start_state(run)
    moments: list[Moment] = []
    plans: list[PlanCheck] = []
    for record in journal.log.records(run_stream(run)):
        if isinstance(record.control, e.Planned):
            plans.append(await _checked(services, journal, state, record, record.control))
        state = evolve(state, record.event)
        moments.append(_moment(state, record))
        if len(moments) % BREATH == 0:
            await asyncio.sleep(0)
    agent = agent_of(services, journal.scope, state) or services.agents.get(state.agent, journal.scope)
    answers = [check.same for check in plans if check.same is not None]
    return Replay(
        id=run,
        agent=state.agent,
        status=moments[-1].status,
        is_same_version=agent is not None and agent.digest == state.pins.agent,
        same=all(answers) if answers else None,
        moments=tuple(moments),
        plans=tuple(plans),
    )


def _moment(state: RunState, record: Record) -> Moment:
    owed = tuple(obligation.id for obligation in decide(state))
    return Moment(
        seq=record.seq,
        n=record.n,
        type=record.type,
        at_us=record.ts_us,
        status=state.outcome or ("running" if owed else "waiting"),
        step=state.step,
        calls=tuple(OpenCall(call.id, call.tool, call.phase) for call in state.calls.values()),
        waits=tuple(state.waits),
        obligations=owed,
    )


# -- asking again ------------------------------------------------------------------------------------------------


async def _checked(
    services: Services, journal: Journal, state: RunState, record: Record, planned: e.Planned
) -> PlanCheck:
    check = PlanCheck(record.seq, planned.step, planned.attempt)
    agent = agent_of(services, journal.scope, state) or services.agents.get(state.agent, journal.scope)
    reason = _reason_not_to(agent, state, planned)
    if agent is None or reason is not None:
        return msgspec.structs.replace(check, not_replayed=reason)
    entries = services.gate.entries_then(journal.scope, state.team, planned.access)
    if entries is None:
        return msgspec.structs.replace(check, not_replayed="access_gone")

    def may_enter(name: str, pack: str, flow: str, node: str) -> bool:
        return entries.refusal(name, pack, flow, node) is None

    try:
        recorded = _recorded(planned, journal.log.contents(record.stream, record.n))
        past = Past(journal, state)
        act = Act(services, past, state)
        asked = plan_input(act, agent, now_us=record.ts_us, model=no_model, may_enter=may_enter)
        plan = worded_plan(act, valued(act, await agent.planner.plan(asked)))
    except ContentErased:
        return msgspec.structs.replace(check, not_replayed="erased")
    except Exception:  # noqa: BLE001 - a planner may raise anything
        return msgspec.structs.replace(check, not_replayed="planner_error")
    difference = _difference(recorded, _fresh(agent, plan))
    return msgspec.structs.replace(check, same=difference is None, difference=difference)


def _reason_not_to(agent: AgentDef | None, state: RunState, planned: e.Planned) -> str | None:
    if agent is None:
        return "agent_unknown"
    if not agent.planner.pure:
        return "planner_not_pure"
    if not state.wants_plan(planned.step, planned.attempt):
        return "superseded"
    return "attempt_failed" if planned.error else None


async def no_model(model: Model, request: ModelRequest, deltas: Deltas | None = None, /) -> NoReturn:
    """A model that nothing is asked of. Raises Denied (`replaying`)."""
    raise Denied("Nothing is asked of a model while a run is replayed.", code="replaying")


class Past(Journal):
    """The log as it was when a run was in `state`: what came later is not there."""

    def __init__(self, journal: Journal, state: RunState) -> None:
        super().__init__(journal.scope, journal.log, lambda journal, part: None)
        self._run_n = {run_stream(state.id): state.n}
        self._run = state.id

    def events(self, stream: StreamId, from_n: int = 0, limit: int | None = None) -> list[e.Event]:
        """The events of a stream, so many at most, the run's own up to then."""
        found = [record.event for record in self.log.records(stream, from_n, limit)]
        return [event for event in found if stream not in self._run_n or event.n < self._run_n[stream]]

    def mailbox(self, session: SessionId) -> MailboxState:
        """The session as it was when the run's turn opened."""
        state = mailboxes.start_state(session)
        for event in self.log.events(session_stream(session)):
            state = mailboxes.evolve(state, event)
            if isinstance(event.control, e.TurnOpened) and event.control.run == self._run:
                break
        return state


# -- comparing ---------------------------------------------------------------------------------------------------

Parts = Mapping[str, Any]


def _recorded(planned: e.Planned, contents: Mapping[str, bytes]) -> Parts:
    answer = saying.read(contents, "answer") if planned.has_answer else None
    parts: dict[str, Any] = {"answer": answer and answer.text.strip(), "answer/beside": answer and _beside(answer)}
    parts["calls"], parts["waits"], parts["says"] = len(planned.calls), planned.waits, planned.says
    for i, call in enumerate(planned.calls):
        parts[f"calls/{i}/tool"] = contents.get(f"{call.id}/tool", call.tool.encode())
        parts[f"calls/{i}/args"] = contents.get(f"{call.id}/args", b"")
    for i in range(planned.says):
        parts[f"says/{i}"] = saying.read(contents, f"say/{i}")
    parts["state"], parts["resume"] = contents.get("state", b""), planned.resume
    return parts


def _fresh(agent: AgentDef, plan: Plan) -> Parts:
    answer = None if plan.answer is None else Saying.of(plan.answer)
    parts: dict[str, Any] = {"answer": answer and answer.text.strip(), "answer/beside": answer and _beside(answer)}
    parts["calls"], parts["waits"], parts["says"] = len(plan.calls), len(plan.waits), len(plan.says)
    for i, call in enumerate(plan.calls):
        parts[f"calls/{i}/tool"] = call.tool.encode()
        parts[f"calls/{i}/args"] = _canonical(agent, call)
    for i, said in enumerate(plan.says):
        parts[f"says/{i}"] = Saying.of(said)
    parts["state"], parts["resume"] = plan.state, plan.resume
    return parts


def _beside(said: Saying) -> Any:
    return said.card, said.attachments, said.format


def _canonical(agent: AgentDef, call: CallRequest) -> bytes:
    """The arguments as they are recorded."""
    tool = agent.tools.get(call.tool)
    try:
        return call.args if tool is None else tool.decode(call.args).data
    except InvalidArguments:
        return call.args


def _difference(recorded: Parts, fresh: Parts) -> str | None:
    """The first part that is not the same."""
    return next((part for part in recorded if part not in fresh or recorded[part] != fresh[part]), None)
