"""Runs: start one, read it, learn why it is not moving, steer it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from lichen.core.errors import NotFound
from lichen.core.ids import RunId, run_stream
from lichen.core.run import RunState, decide
from lichen.engine.journal import Journal
from lichen.runtime.replay import Replay
from lichen.runtime.runs import Explanation, RunDetail, RunStatus, RunSummary
from lichen.serve.api.route import ApiRoute
from lichen.serve.exchange import Body, Exchange, Name, Nothing, Position, WaitS

LISTED_MAX = 1000


class Listing(Body, frozen=True):
    """A page of runs, of one status, agent or session if that is named: those that began before record `before`."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=LISTED_MAX)] = 100
    before: Position | None = None
    status: RunStatus | None = None
    agent: Name | None = None
    session: Name | None = None


class Starting(Body, frozen=True):
    """A run without a session. `input`, any JSON, is what a flow begins with; with it `text` may be left out."""

    agent: str
    text: str = ""
    input: Any = None


class Started(msgspec.Struct, frozen=True):
    """The run."""

    id: RunId


class Patience(Body, frozen=True):
    """How long to wait for the run to end or to come to rest."""

    wait_s: WaitS = 0.0


class Outcome(msgspec.Struct, frozen=True):
    """How a run stands. `moving` when it goes on without anybody's doing; `answer` once it is finished."""

    id: RunId
    status: str
    moving: bool
    answer: str | None
    waits: tuple[str, ...]


async def list_runs(x: Exchange) -> tuple[RunSummary, ...]:
    """The newest runs first. The last one's `first_seq` is the next page's `before`."""
    wanted = x.query(Listing)
    return x.runtime.runs.list(
        x.scope,
        limit=wanted.limit,
        before=wanted.before,
        status=wanted.status,
        agent=wanted.agent,
        session=wanted.session,
    )


async def show(x: Exchange) -> RunDetail:
    """A run and its records."""
    return x.runtime.runs.show(x.scope, _id(x))


async def explain(x: Exchange) -> Explanation:
    """Why the run is where it is."""
    return x.runtime.runs.explain(x.scope, _id(x))


async def start(x: Exchange) -> Started:
    """Starts a run; a repeated idempotency key is the same run."""
    wanted = x.body(Starting)
    run = await x.runtime.runs.start(x.scope, wanted.agent, wanted.text, x.actor, key=x.key, input=wanted.input)
    return Started(run)


async def result(x: Exchange) -> Outcome:
    """Waits until the run ends, comes to rest, or the time is up. A customer sees only their own runs."""
    wait_s = x.query(Patience).wait_s
    journal = x.runtime.engine.journal(x.scope)
    id = _id(x)
    state = journal.run(id)
    if not state.n or (x.actor.kind == "customer" and journal.log.name(x.actor) != state.subject):
        raise NotFound("There is no such run for this actor.", code="run_unknown")
    await x.wait(_at_rest(journal, id), timeout_s=wait_s)
    state = journal.run(id)
    waits = tuple(f"{run.id}.{wait}" for run in _family(journal, id) for wait in run.waits)
    explanation = x.runtime.runs.explain(x.scope, id)
    answer = await x.runtime.runs.result(x.scope, id) if state.outcome else None
    return Outcome(id, explanation.status, _is_moving(journal, id), answer, waits)


async def cancel(x: Exchange) -> Nothing:
    """Ends the run."""
    await x.runtime.runs.cancel(x.scope, _id(x), x.actor)
    return Nothing()


async def pause(x: Exchange) -> Nothing:
    """Halts the run at its next step."""
    await x.runtime.runs.pause(x.scope, _id(x), x.actor)
    return Nothing()


async def resume(x: Exchange) -> Nothing:
    """Lets a paused run go on."""
    await x.runtime.runs.resume(x.scope, _id(x), x.actor)
    return Nothing()


async def replay(x: Exchange) -> Replay:
    """Goes through the run again with no effect performed: its state after every record, and each plan compared."""
    return await x.runtime.runs.replay(x.scope, _id(x))


def _id(x: Exchange) -> RunId:
    return RunId(x.part("run"))


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


async def _at_rest(journal: Journal, run: RunId) -> None:
    while _is_moving(journal, run):
        mover = next(state for state in _family(journal, run) if decide(state) or _is_due(state))
        await journal.changed(run_stream(mover.id), mover.n)


ROUTES = (
    ApiRoute("GET", "runs", "runs.read", list_runs, owner_may=True, query=Listing),
    ApiRoute("POST", "runs", "chat", start, body=Starting, fails=(404, 409), takes_key=True),
    ApiRoute("GET", "runs/{run}", "runs.read", show, owner_may=True),
    ApiRoute("GET", "runs/{run}/explain", "runs.read", explain, owner_may=True),
    ApiRoute("GET", "runs/{run}/result", "chat", result, query=Patience),
    ApiRoute("POST", "runs/{run}/cancel", "runs.cancel", cancel),
    ApiRoute("POST", "runs/{run}/pause", "runs.cancel", pause, fails=(409,)),
    ApiRoute("POST", "runs/{run}/resume", "runs.cancel", resume, fails=(409,)),
    ApiRoute("POST", "runs/{run}/replay", "runs.read", replay, owner_may=True),
)
