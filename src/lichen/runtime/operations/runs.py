"""Runs as people and programs read and steer them, and why one is not moving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState, decide
from lichen.core.words.errors import Conflict
from lichen.core.words.ids import AgentName, RunId, WaitId, run_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.intake import Intake
from lichen.engine.journal.journal import Journal
from lichen.engine.local import LocalEngine
from lichen.log.views.rows import StreamRow
from lichen.runtime.access.access import EVERYTHING, About, Access, of_run, of_state
from lichen.runtime.operations.talk.feed import Feed
from lichen.runtime.records import RecordView, view
from lichen.runtime.replay import Replay, replay
from lichen.runtime.story import Story, brief, story

RunStatus = Literal["running", "waiting", "completed", "failed", "cancelled"]


class RunSummary(msgspec.Struct, frozen=True):
    """One line of a list. `status` is `running`, `waiting`, `completed`, `failed` or `cancelled`.

    `waits_for` names the kinds of what it waits for; `ended_at_us` is None while it is open. `result` and `summary` say
    what came out, `who` and `asked` what was asked by whom; `asked` is None once erased.
    """

    id: RunId
    agent: str
    status: str
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


class RunDetail(msgspec.Struct, frozen=True):
    """A run: its story, and every record of it."""

    id: RunId
    agent: str
    status: str
    code: str
    calls_used: int
    tokens: int
    records: tuple[RecordView, ...]
    story: Story


class Explanation(msgspec.Struct, frozen=True):
    """Why a run is where it is: one sentence, then what is owed, waited for and due."""

    id: RunId
    status: str
    summary: str
    obligations: tuple[str, ...]
    waits: tuple[dict[str, Any], ...]
    children: tuple[str, ...]
    timers: tuple[dict[str, Any], ...]
    story: Story


class Outcome(msgspec.Struct, frozen=True):
    """How a run stands. `moving` when it goes on without anybody's doing; `answer` once it is finished."""

    id: RunId
    status: str
    moving: bool
    answer: str | None
    waits: tuple[str, ...]


class Runs:
    """The runs of a runtime. Every operation names a scope; another scope's runs do not exist for it.

    Each raises NotFound (`run_unknown`) where the actor may not know of the run, and Denied.
    """

    def __init__(self, engine: LocalEngine, intake: Intake, access: Access) -> None:
        self._engine = engine
        self._intake = intake
        self._access = access

    async def start(
        self,
        scope: Scope,
        agent: str,
        text: str,
        actor: Actor,
        *,
        key: str | None = None,
        input: Any = None,
        attributes: Mapping[str, str] = {},
    ) -> RunId:
        """Starts one run without a session; returns once it is durable. Repeated with the same `key` it is one run.

        `input` is any JSON that the run begins with: a flow's entry, an agent's message. With it `text` may be empty.
        """
        ruling = self._access.ask("run.start", scope, actor, About(agent))
        self._access.host(scope, agent)
        return await self._intake.start(
            scope, AgentName(agent), text, actor, key=key, input=input, attributes=attributes, ruling=ruling
        )

    async def result(self, scope: Scope, run: RunId, actor: Actor) -> str:
        """The answer of a run, once it is finished and durable. Waits as long as the run does."""
        self._access.ask("run.result", scope, actor, of_run(run))
        journal = self._engine.journal(scope)
        if not journal.run(run).outcome:
            await journal.watch(run_stream(run), e.RunFinished).next()
        state = journal.run(run)  # it leaves memory once it is durable
        await journal.durable(run=run)
        self._access.open("run.result", scope, actor, of_state(state), what="run")
        return _answer(journal, state)

    def outcome(self, scope: Scope, run: RunId, actor: Actor) -> Outcome:
        """How a run and the children it waits for stand now."""
        self._access.open("run.result", scope, actor, of_run(run), what="run")
        journal = self._engine.journal(scope)
        state = journal.run(run)
        waits = tuple(f"{each.id}.{wait}" for each in _family(journal, run) for wait in each.waits)
        answer = _answer(journal, state) if state.outcome else None
        return Outcome(run, _status(state), _is_moving(journal, run), answer, waits)

    async def rest(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Returns once nothing in a run or in the children it waits for goes on by itself."""
        self._access.ask("run.result", scope, actor, of_run(run))
        journal = self._engine.journal(scope)
        while _is_moving(journal, run):
            mover = next(state for state in _family(journal, run) if decide(state) or _is_due(state))
            await journal.watch(run_stream(mover.id)).next()
        await journal.durable(run=run)

    def list(
        self,
        scope: Scope,
        actor: Actor,
        *,
        limit: int = 100,
        before: int | None = None,
        status: RunStatus | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> tuple[RunSummary, ...]:
        """The newest runs first, of one status, agent or session if that is named. `before` is the `first_seq` of the
        last run of the page before."""
        self._access.ask("run.read", scope, actor, EVERYTHING)
        journal = self._engine.journal(scope)
        standing = _STANDINGS.get(status or "", {})
        rows = journal.log.stream_rows("run", limit, before, agent=agent, session=session, **standing)
        return tuple(_line(journal, row) for row in rows)

    def follow(self, scope: Scope, run: RunId, actor: Actor, *, with_session: bool = False) -> Feed:
        """The run's records as they happen."""
        self._access.open("run.read", scope, actor, of_run(run), what="feed")
        return Feed(self._access, self._engine.journal(scope), run, actor, with_session=with_session)

    async def replay(self, scope: Scope, run: RunId, actor: Actor) -> Replay:
        """Goes through a run again with no effect performed."""
        self._access.open("run.read", scope, actor, of_run(run), what="run")
        return await replay(self._engine.services, self._engine.journal(scope), run)

    def show(self, scope: Scope, run: RunId, actor: Actor) -> RunDetail:
        """A run with its records, contents opened."""
        self._access.open("run.read", scope, actor, of_run(run), what="run")
        journal = self._engine.journal(scope)
        state = journal.run(run)
        entries = journal.log.records(run_stream(run))
        records = tuple(view(journal.log, entry) for entry in entries)
        code = state.cancel or state.failure or state.limit
        told = story(journal.log, run, _status(state))
        return RunDetail(run, state.agent, _status(state), code, state.calls_used, state.usage.tokens, records, told)

    def explain(self, scope: Scope, run: RunId, actor: Actor) -> Explanation:
        """Why the run is where it is."""
        self._access.ask("run.read", scope, actor, of_run(run))
        journal = self._engine.journal(scope)
        state = journal.run(run)
        owed = tuple(o.id for o in decide(state))
        told = story(journal.log, run, _status(state))
        children = tuple(c.child for c in state.calls.values() if c.child is not None)
        return Explanation(
            id=run,
            status=_status(state),
            summary=_summary(state, owed, children, told),
            obligations=owed,
            waits=tuple(_wait(state, wait) for wait in state.waits),
            children=children,
            timers=tuple({"timer": id, "due_at_us": due} for id, due in state.timers.items()),
            story=told,
        )

    async def declassify(self, scope: Scope, run: RunId, sources: Sequence[str], actor: Actor, *, reason: str) -> None:
        """Lets what the run has read go without these sources of its label, and its session's turns to come.

        Raises Invalid (`sources_unknown`, `reason_missing`), Conflict (`run_finished`).
        """
        ruling = self._access.ask("run.declassify", scope, actor, of_run(run))
        await self._intake.declassify(scope, actor, sources=tuple(sources), reason=reason, run=run, ruling=ruling)

    async def cancel(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Ends a run. Cancelling twice is no error; one that ended by itself is a Conflict (`run_finished`)."""
        ruling = self._access.ask("run.cancel", scope, actor, of_run(run))
        outcome = self._engine.journal(scope).run(run).outcome
        if outcome and outcome != "cancelled":
            raise Conflict(
                f"The run is over: it {'has failed' if outcome == 'failed' else 'completed'}.",
                code="run_finished",
                next_step=f"`lichen runs explain {run}` says how.",
            )
        await self._intake.cancel(scope, run, actor, ruling=ruling)

    async def pause(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Halts a run at the next step boundary."""
        ruling = self._access.ask("run.pause", scope, actor, of_run(run))
        await self._intake.pause(scope, run, actor, ruling=ruling)

    async def preempt(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Sets a run aside for more urgent work; it leaves memory once what it runs has ended."""
        ruling = self._access.ask("run.pause", scope, actor, of_run(run))
        await self._intake.preempt(scope, run, actor, ruling=ruling)

    async def resume(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Lets a paused or preempted run go on."""
        ruling = self._access.ask("run.resume", scope, actor, of_run(run))
        await self._intake.resume(scope, run, actor, ruling=ruling)


def _line(journal: Journal, row: StreamRow) -> RunSummary:
    state = journal.run(RunId(row.id))
    last = journal.log.event(run_stream(state.id), state.n - 1) if state.outcome else None
    told = brief(journal.log, state.id, _status(state))
    return RunSummary(
        id=state.id,
        agent=row.agent,
        status=_standing(row),
        session=row.session,
        parent=row.parent,
        started_at_us=row.started_us,
        first_seq=row.first_seq,
        code=state.cancel or state.failure or state.limit,
        waits_for=tuple(dict.fromkeys(wait.kind for wait in state.waits.values())),
        ended_at_us=last.ts_us if last is not None else None,
        result=told.result,
        summary=told.summary,
        who=told.who,
        asked=told.asked,
    )


def _answer(journal: Journal, state: RunState) -> str:
    """The answer of a finished run. Raises Erased."""
    return journal.log.contents(run_stream(state.id), state.n - 1).get("answer", b"").decode()


def _family(journal: Journal, run: RunId) -> list[RunState]:
    """The run and every child it waits for now, the children's children included."""
    state = journal.run(run)
    children = (call.child for call in state.calls.values() if call.child is not None)
    return [state, *(member for child in children for member in _family(journal, child))]


def _is_moving(journal: Journal, run: RunId) -> bool:
    """Whether something is in flight or comes due that is no wait's expiry."""
    return any(decide(state) or _is_due(state) for state in _family(journal, run))


def _is_due(state: RunState) -> bool:
    return any(timer.startswith("retry/") for timer in state.timers)


def _standing(row: StreamRow) -> str:
    return row.outcome or ("waiting" if row.standing == "waiting" else "running")


_STANDINGS: dict[str, dict[str, str]] = {
    "running": {"outcome": "", "standing": "owing"},
    "waiting": {"outcome": "", "standing": "waiting"},
    "completed": {"outcome": "completed"},
    "failed": {"outcome": "failed"},
    "cancelled": {"outcome": "cancelled"},
}
"""What each status is in the columns of a row."""


def _status(state: RunState) -> str:
    return state.outcome or ("running" if decide(state) else "waiting")


def _summary(state: RunState, owed: tuple[str, ...], children: tuple[str, ...], told: Story) -> str:
    if state.outcome:
        return _ended(state, told)
    if told.result == "paused":
        return f"It is {told.summary}, and goes on with `lichen runs resume {state.id}`."
    if owed:
        return f"It is at work: {', '.join(owed)} must be in flight."
    if state.waits:
        waits = (_described(state, wait) for wait in state.waits)
        return f"It waits for {', and for '.join(waits)}."
    if children:
        return f"It waits for its child run {', '.join(children)}."
    return "It waits for a timer."


def _ended(state: RunState, told: Story) -> str:
    """How it ended: what it did, or what stopped it, in the words of what failed."""
    if told.failures and state.outcome == "failed":
        last = told.failures[-1]
        return (
            f"It is over: {told.summary}. Its planner said {last.exception}: {last.message} ({last.file}:{last.line})."
        )
    failed = next((call for call in reversed(told.calls) if call.failure is not None and call.outcome != "ok"), None)
    said = f" It said {failed.failure.exception}: {failed.failure.message}." if failed and failed.failure else ""
    return f"It is over: {told.summary or 'it answered'}.{said}"


def _described(state: RunState, id: WaitId) -> str:
    wait = state.waits[id]
    what = f"{wait.kind} of {state.calls[wait.call].tool}" if wait.call is not None else wait.kind
    return f"{what} by {' or '.join(wait.may_answer) or 'the runtime'}"


def _wait(state: RunState, id: WaitId) -> dict[str, Any]:
    wait = state.waits[id]
    return {
        "id": f"{state.id}.{id}",
        "kind": wait.kind,
        "call": wait.call,
        "tool": state.calls[wait.call].tool if wait.call is not None else None,
        "may_answer": list(wait.may_answer),
        "expires_at_us": wait.expires_at_us,
    }
