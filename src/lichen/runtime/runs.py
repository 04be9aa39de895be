"""Runs as people and programs read and steer them, and why one is not moving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from lichen.core.errors import NotFound
from lichen.core.ids import AgentName, RunId, WaitId, run_stream
from lichen.core.run import RunState, decide
from lichen.core.scope import Actor, Scope
from lichen.engine.intake import Intake
from lichen.engine.journal import Journal
from lichen.engine.local import LocalEngine
from lichen.log.views import StreamRow
from lichen.runtime.records import RecordView, view
from lichen.runtime.replay import Replay, replay

RunStatus = Literal["running", "waiting", "completed", "failed", "cancelled"]


class RunSummary(msgspec.Struct, frozen=True):
    """One line of a list. `status` is `running`, `waiting`, `completed`, `failed` or `cancelled`."""

    id: RunId
    agent: str
    status: str
    session: str | None
    parent: str | None
    started_at_us: int
    first_seq: int


class RunDetail(msgspec.Struct, frozen=True):
    """A run and every record of it."""

    id: RunId
    agent: str
    status: str
    code: str
    calls_used: int
    tokens: int
    records: tuple[RecordView, ...]


class Explanation(msgspec.Struct, frozen=True):
    """Why a run is where it is: one sentence, then what is owed, waited for and due."""

    id: RunId
    status: str
    summary: str
    obligations: tuple[str, ...]
    waits: tuple[dict[str, Any], ...]
    children: tuple[str, ...]
    timers: tuple[dict[str, Any], ...]


class Runs:
    """The runs of a runtime. Every operation names a scope; another scope's runs do not exist for it."""

    def __init__(self, engine: LocalEngine, intake: Intake) -> None:
        self._engine = engine
        self._intake = intake

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
        return await self._intake.start(
            scope, AgentName(agent), text, actor, key=key, input=input, attributes=attributes
        )

    async def result(self, scope: Scope, run: RunId) -> str:
        """The answer of a run, once it is finished and durable. Waits as long as the run does."""
        journal = self._engine.journal(scope)
        state = self._state(journal, run)
        while not state.outcome:
            await journal.changed(run_stream(run), state.n)
            state = journal.run(run)
        await journal.log.durable_stream(run_stream(run))
        return journal.log.contents(run_stream(run), state.n - 1).get("answer", b"").decode()

    def list(
        self,
        scope: Scope,
        *,
        limit: int = 100,
        before: int | None = None,
        status: RunStatus | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> tuple[RunSummary, ...]:
        """The newest runs first, of one status, agent or session if that is named. `before` is the `first_seq` of the
        last run of the page before."""
        log = self._engine.journal(scope).log
        rows = log.stream_rows("run", limit, before, agent=agent, session=session, **_STANDINGS.get(status or "", {}))
        return tuple(
            RunSummary(RunId(r.id), r.agent, _standing(r), r.session, r.parent, r.started_us, r.first_seq) for r in rows
        )

    async def replay(self, scope: Scope, run: RunId) -> Replay:
        """Goes through a run again with no effect performed. Raises NotFound (`run_unknown`)."""
        journal = self._engine.journal(scope)
        self._state(journal, run)
        return await replay(self._engine.services, journal, run)

    def show(self, scope: Scope, run: RunId) -> RunDetail:
        """A run with its records, contents opened. Raises NotFound (`run_unknown`)."""
        journal = self._engine.journal(scope)
        state = self._state(journal, run)
        entries = journal.log.records(run_stream(run))
        records = tuple(view(journal.log, entry) for entry in entries)
        code = state.cancel or state.failure or state.limit
        return RunDetail(run, state.agent, _status(state), code, state.calls_used, state.usage.tokens, records)

    def explain(self, scope: Scope, run: RunId) -> Explanation:
        """Why the run is where it is. Raises NotFound (`run_unknown`)."""
        journal = self._engine.journal(scope)
        state = self._state(journal, run)
        owed = tuple(o.id for o in decide(state))
        children = tuple(c.child for c in state.calls.values() if c.child is not None)
        return Explanation(
            id=run,
            status=_status(state),
            summary=_summary(state, owed, children),
            obligations=owed,
            waits=tuple(_wait(state, wait) for wait in state.waits),
            children=children,
            timers=tuple({"timer": id, "due_at_us": due} for id, due in state.timers.items()),
        )

    async def cancel(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Ends a run. Cancelling twice is no error."""
        await self._intake.cancel(scope, run, actor)

    async def pause(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Halts a run at the next step boundary."""
        await self._intake.pause(scope, run, actor)

    async def preempt(self, scope: Scope, run: RunId) -> None:
        """Sets a run aside for more urgent work; it leaves memory once what it runs has ended."""
        await self._intake.preempt(scope, run)

    async def resume(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Lets a paused or preempted run go on."""
        await self._intake.resume(scope, run, actor)

    def _state(self, journal: Journal, run: RunId) -> RunState:
        state = journal.run(run)
        if not state.n:
            raise NotFound("There is no such run in this scope.", code="run_unknown")
        return state


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


def _summary(state: RunState, owed: tuple[str, ...], children: tuple[str, ...]) -> str:
    if state.outcome:
        return f"It is {state.outcome}."
    if owed:
        return f"It is at work: {', '.join(owed)} must be in flight."
    if state.waits:
        waits = (_described(state, wait) for wait in state.waits)
        return f"It waits for {', and for '.join(waits)}."
    if children:
        return f"It waits for its child run {', '.join(children)}."
    return "It waits for a timer."


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
