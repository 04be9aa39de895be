"""Runs as people and programs read them: a row of a list, why one is where it is, and all of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal, cast

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState, decide
from lichen.core.ports import overrides
from lichen.core.ports.plan import Planner
from lichen.core.words.ids import RunId
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.wait import ABOUT_EFFECTS, HALTING, Wait, WaitKind
from lichen.log.log import Log
from lichen.log.projections.streamrow import StreamRow
from lichen.log.records.record import Record
from lichen.runtime.redaction import hiding, nothing_hidden
from lichen.runtime.views.asked import Setting
from lichen.runtime.views.decision import GateDecision, decisions
from lichen.runtime.views.models.requests import ModelRequestView, requests
from lichen.runtime.views.record import Opened, RecordView, Sight, view_of
from lichen.runtime.views.story.replies import WaitingReply
from lichen.runtime.views.story.story import brief, story
from lichen.runtime.views.story.teller import Story
from lichen.runtime.views.story.tree import Branch, tree
from lichen.runtime.views.timeline import RecordsOf, Timeline, timeline
from lichen.runtime.views.walk import Walk, walk

RunStatus = Literal["running", "waiting", "completed", "failed", "cancelled"]


class RunSummary(msgspec.Struct, frozen=True):
    """One line of a list. `status` is `running`, `waiting`, `completed`, `failed` or `cancelled`.

    `waits_for` names the kinds of what it waits for; `ended_at_us` is None while it is open. `result` and `summary` say
    what came out, `who` and `asked` what was asked by whom; `asked` is None once erased, and where words are
    sealed for whoever reads (`is_sealed`).
    """

    id: RunId
    agent: str
    status: RunStatus
    session: str | None
    parent: str | None
    started_at_us: int
    first_seq: int
    code: str = ""
    waits_for: tuple[str, ...] = ()
    ended_at_us: int | None = None
    result: str = ""
    summary: str = ""
    who: str = ""
    asked: str | None = None
    is_sealed: bool = False


class OpenWait(msgspec.Struct, frozen=True):
    """Something a run waits for. `id` names it in its scope."""

    id: str
    kind: WaitKind
    call: str | None
    tool: str | None
    may_answer: tuple[str, ...]
    expires_at_us: int | None


class DueTimer(msgspec.Struct, frozen=True):
    """A timer of a run and when it comes due."""

    timer: str
    due_at_us: int


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run is where it is: one sentence, then what is owed, waited for and due. `is_sealed`: whoever reads it
    may not read what was said, sent and returned. `replies` are what it says that has not left yet, and why."""

    id: RunId
    status: RunStatus
    summary: str
    obligations: tuple[str, ...]
    waits: tuple[OpenWait, ...]
    children: tuple[str, ...]
    timers: tuple[DueTimer, ...]
    story: Story
    is_sealed: bool = False
    replies: tuple[WaitingReply, ...] = ()


class Cost(msgspec.Struct, frozen=True):
    """What the run used of what it may use; money in millionths of a US dollar. `calls` are those that count: a tool
    says what a call of it costs, bookkeeping costs nothing, and child runs take from the same. Of `tokens`, `cached`
    came from a provider's cache and `cache_writes` were put there; `estimated_micro_usd` nobody confirmed."""

    calls: int
    calls_max: int
    tokens: int
    tokens_max: int
    micro_usd: int
    time_max_s: float
    cached: int = 0
    cache_writes: int = 0
    estimated_micro_usd: int = 0
    micro_usd_max: int | None = None


class Pins(msgspec.Struct, frozen=True):
    """Digests of what the run was started with; empty for what did not count."""

    agent: str
    tools: str
    policy: str
    decider: str


class RunDetail(Explanation, frozen=True, kw_only=True):
    """Everything about one run. `answer` is None until there is one, or once it was erased; `value` is the answer as
    JSON where it has a type.

    `held` is what it is held to beside its agent's definition, in words. `open_waits` are what a person is asked by it
    or by a child run it waits for. `tree` is it with all the runs that it
    called, and what they cost. `walk` is None unless its agent is a
    flow that is hosted here.
    """

    agent: str
    code: str
    session: str | None
    turn: str | None
    parent: str | None
    customer: str
    calls_used: int
    tokens: int
    answer: str | None
    value: Any
    held: tuple[str, ...]
    open_waits: tuple[str, ...]
    is_halted: bool
    cost: Cost
    pins: Pins
    timeline: Timeline
    tree: Branch
    walk: Walk | None
    decisions: tuple[GateDecision, ...]
    models: tuple[ModelRequestView, ...]
    records: tuple[RecordView, ...]


class Outcome(msgspec.Struct, frozen=True):
    """How a run stands. `moving` when it goes on without anybody's doing; `answer` once it is finished, and its `value`
    where answers have a type. `code` says why a run failed or was cancelled, or which limit it reached; `waits_for` is
    the kind of each of `waits`."""

    id: RunId
    status: RunStatus
    moving: bool
    answer: str | None
    waits: tuple[str, ...]
    value: Any = None
    code: str = ""
    waits_for: tuple[WaitKind, ...] = ()


class Around(msgspec.Struct, frozen=True):
    """What is known around a run that its own records do not say.

    `setting` is of its agent, `planner` the one hosted here; `open_waits` are for people, its children's included.
    """

    setting: Setting
    planner: Planner | None
    open_waits: tuple[str, ...]
    records_of: RecordsOf
    now_us: int
    sight: Sight
    replies: tuple[WaitingReply, ...] = ()


def status_of(state: RunState) -> RunStatus:
    """Whether a run is over, goes on by itself, or waits."""
    return cast(RunStatus, state.outcome or ("running" if decide(state) else "waiting"))


def run_summary(log: Log, row: StreamRow, records: Sequence[Record], sight: Sight) -> RunSummary:
    """A run in a row of a list, from its row and the records that tell what became of it: nothing is folded."""
    finished = next((record for record in records if isinstance(record.control, e.RunFinished)), None)
    outcome = finished.control.outcome if finished is not None and isinstance(finished.control, e.RunFinished) else ""
    status = outcome or ("waiting" if row.standing == "waiting" else "running")
    told = brief(log, records, status, sight)
    return RunSummary(
        id=RunId(row.id),
        agent=row.agent,
        status=status,
        session=row.session,
        parent=row.parent,
        started_at_us=row.started_us,
        first_seq=row.first_seq,
        code=told.code,
        waits_for=told.waits_for,
        ended_at_us=finished.ts_us if finished is not None else None,
        result=told.result,
        summary=told.summary,
        who=told.who,
        asked=told.asked,
        is_sealed=sight.is_sealed,
    )


def explanation(
    state: RunState, records: Sequence[Opened], setting: Setting, replies: tuple[WaitingReply, ...] = ()
) -> Explanation:
    """Why a run is where it is; `replies` are those of it that wait to leave."""
    told = story(records, status_of(state), setting)
    owed = tuple(obligation.id for obligation in decide(state))
    children = tuple(call.child for call in state.calls.values() if call.child is not None)
    return Explanation(
        id=state.id,
        status=status_of(state),
        summary=f"{_summary(state, owed, children, told)}{_unsent(replies)}",
        obligations=owed,
        waits=tuple(_open_wait(state, wait) for wait in state.waits.values()),
        children=children,
        timers=tuple(DueTimer(id, due) for id, due in state.timers.items()),
        story=told,
        is_sealed=records[0].is_sealed,
        replies=replies,
    )


def detail(log: Log, state: RunState, records: Sequence[Record], around: Around) -> RunDetail:
    """All of a run, contents opened, without what its flow hides."""
    each = tuple(seen(log, records, around.sight))
    records_of = cache(around.records_of)
    why = explanation(state, each, around.setting, around.replies)
    begun = records[0].control
    assert isinstance(begun, e.RunStarted)
    people = {call.id: call.people for call in why.story.calls}
    return RunDetail(
        **msgspec.structs.asdict(why),
        agent=state.agent,
        code=state.cancel or state.failure or state.limit,
        session=begun.session,
        turn=begun.turn,
        parent=begun.parent.run if begun.parent else None,
        customer=begun.subject,
        calls_used=state.calls_used,
        tokens=state.usage.tokens,
        answer=why.story.answer,
        value=why.story.value,
        held=tuple(_held(begun, overrides.read((each[0].parts or {}).get("overrides", b"")))),
        open_waits=around.open_waits,
        is_halted=any(wait.kind in HALTING for wait in state.waits.values()),
        cost=_cost(records, begun.limits, state.calls_used),
        pins=Pins(begun.pins.agent, begun.pins.tools, begun.pins.policy, begun.pins.decider),
        timeline=timeline(records, records_of, around.now_us),
        tree=tree(records, records_of),
        walk=walk(around.planner, each, is_open=not state.outcome),
        decisions=decisions(each, people, around.setting),
        models=requests(each),
        records=tuple(view_of(one) for one in each),
    )


def seen(log: Log, records: Sequence[Record], sight: Sight) -> Iterator[Opened]:
    """The records of a run as somebody sees them."""
    hide = nothing_hidden if sight.is_sealed else hiding(log, records[0].stream)
    return (sight.opened(log, record, hide) for record in records)


def asks_people(state: RunState) -> tuple[str, ...]:
    """The ids of the open waits in which a person decides about an effect."""
    return tuple(_id(state, wait) for wait in state.waits.values() if wait.kind in ABOUT_EFFECTS)


def _held(begun: e.RunStarted, to: overrides.Overrides) -> Iterator[str]:
    """What a run is held to beside its agent's definition."""
    if begun.only:
        yield "no tool" if begun.only == (overrides.NO_TOOL,) else f"only {', '.join(begun.only)}"
    for clause in to.tagged:
        yield from [f"tools tagged {' or '.join(clause.any_of)}"] if clause.any_of else []
        yield from [f"no tool tagged {' or '.join(clause.none_of)}"] if clause.none_of else []
    for name in overrides.BOUNDS:
        if (value := getattr(to, name)) is not None:
            yield f"{name} at most {value:g}"


def _cost(records: Sequence[Record], limits: Limits, calls: int) -> Cost:
    plans = [record.control for record in records if isinstance(record.control, e.Planned)]
    of_calls = [each.control.asked for each in records if isinstance(each.control, e.CallAsked) and each.control.asked]
    usage = sum((each.usage for each in (*plans, *of_calls)), Usage())
    requests = (*(asked for plan in plans for asked in plan.requests), *of_calls)
    guessed = [asked.usage.cost_micro_usd for asked in requests if asked.is_estimate]
    return Cost(
        calls,
        limits.calls,
        usage.tokens,
        limits.tokens,
        usage.cost_micro_usd,
        limits.time_s,
        usage.cached_tokens,
        usage.cache_write_tokens,
        sum(guessed),
        limits.micro_usd,
    )


def _open_wait(state: RunState, wait: Wait) -> OpenWait:
    tool = state.calls[wait.call].tool if wait.call is not None else None
    return OpenWait(_id(state, wait), wait.kind, wait.call, tool, wait.may_answer, wait.expires_at_us)


def _id(state: RunState, wait: Wait) -> str:
    return f"{state.id}.{wait.id}"


# -- the sentence ------------------------------------------------------------------------------------------------


def _summary(state: RunState, owed: tuple[str, ...], children: tuple[str, ...], told: Story) -> str:
    if state.outcome:
        return _ended(state, told)
    if told.result == "paused":
        return f"It is {told.summary}, and goes on with `lichen runs resume {state.id}`."
    if owed:
        return f"It is at work: {', '.join(owed)} must be in flight."
    if state.waits:
        waits = (_described(state, wait) for wait in state.waits.values())
        return f"It waits for {', and for '.join(waits)}."
    if children:
        return f"It waits for its child run {', '.join(children)}."
    return "It waits for a timer."


def _unsent(replies: tuple[WaitingReply, ...]) -> str:
    """That what it says has not left, and why."""
    if not replies:
        return ""
    how_many = "A message of it has" if len(replies) == 1 else f"{len(replies)} messages of it have"
    return f" {how_many} not left yet: {replies[0].reason}"


def _ended(state: RunState, told: Story) -> str:
    """How it ended: what it did, or what stopped it, in the words of what failed."""
    if told.failures and state.outcome == "failed":
        last = told.failures[-1]
        said, where = last.message.removesuffix("."), f" ({last.place})" if last.file else ""
        return f"It is over: {told.summary}. Its planner said {last.exception}: {said}{where}."
    failed = next((call for call in reversed(told.calls) if call.failure is not None and call.outcome != "ok"), None)
    said = f" It said {failed.failure.exception}: {failed.failure.message}." if failed and failed.failure else ""
    return f"It is over: {told.summary or 'it answered'}.{said}"


def _described(state: RunState, wait: Wait) -> str:
    what = f"{wait.kind} of {state.calls[wait.call].tool}" if wait.call is not None else wait.kind
    return f"{what} by {' or '.join(wait.may_answer) or 'the runtime'}"
