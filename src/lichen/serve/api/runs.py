"""Runs: start one, read it, learn why it is not moving, steer it."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from lichen.core.ports.overrides import NONE, Overrides
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId
from lichen.flows.trace.document import Trace
from lichen.runtime.replay import Replay
from lichen.runtime.views.run import Explanation, Outcome, RunDetail, RunStatus, RunSummary
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Name, Nothing, Position, WaitS, naming

LISTED_MAX = 1000
FIELDS: Final = {"overrides_invalid": "overrides", "answer_schema_invalid": "answers"}
"""Which field of a body an error of these is about."""


class Listing(Body, frozen=True):
    """A page of runs, of one status, agent or session if that is named: those that began before record `before`."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=LISTED_MAX)] = 100
    before: Position | None = None
    status: RunStatus | None = None
    agent: Name | None = None
    session: Name | None = None


class Starting(Body, frozen=True):
    """A run without a session, of the agent that this tenant's customers meet unless another is named. `input`, any
    JSON, is what a flow begins with; with it `text` may be left out.

    `answers`, a JSON Schema, is what the answer has to fit, whatever the agent gives as a rule. `overrides` leave this
    run fewer tools and narrower limits than its agent has.
    """

    agent: str | None = None
    text: str = ""
    input: Any = None
    answers: dict[str, Any] | None = None
    overrides: Overrides = NONE


class Started(msgspec.Struct, frozen=True):
    """The run."""

    id: RunId


class Patience(Body, frozen=True):
    """How long to wait for the run to end or to come to rest."""

    wait_s: WaitS = 0.0


class Tracing(Body, frozen=True):
    """Whether a trace holds what was given and said, or hashes of it alone."""

    contents: bool = False


async def list_runs(x: Exchange) -> tuple[RunSummary, ...]:
    """The newest runs first. The last one's `first_seq` is the next page's `before`."""
    wanted = x.query(Listing)
    return x.runtime.runs.list(
        x.scope,
        x.actor,
        limit=wanted.limit,
        before=wanted.before,
        status=wanted.status,
        agent=wanted.agent,
        session=wanted.session,
    )


async def show(x: Exchange) -> RunDetail:
    """A run: what came of it, where its time went, what was decided, and every record."""
    return x.runtime.runs.show(x.scope, _id(x), x.actor)


async def explain(x: Exchange) -> Explanation:
    """Why the run is where it is."""
    return x.runtime.runs.explain(x.scope, _id(x), x.actor)


async def start(x: Exchange) -> Started:
    """Starts a run; a repeated idempotency key is the same run."""
    wanted = x.body(Starting)
    with naming(FIELDS):
        run = await x.runtime.runs.start(
            x.scope,
            wanted.agent or _own_agent(x),
            wanted.text,
            x.actor,
            key=x.key,
            input=wanted.input,
            answers=wanted.answers,
            overrides=wanted.overrides,
        )
    return Started(run)


def _own_agent(x: Exchange) -> str:
    """The agent that the tenant's customers meet. Raises Invalid (`agent_missing`) where nothing says so."""
    if x.runtime.project is None:
        raise Invalid("No agent is named.", code="agent_missing", next_step="Name one.", place="/agent")
    return x.runtime.project.agent_for(x.scope.tenant).name


async def result(x: Exchange) -> Outcome:
    """Waits until the run ends, comes to rest, or the time is up. A customer sees only their own runs."""
    id, wait_s = _id(x), x.query(Patience).wait_s
    await x.wait(x.runtime.runs.rest(x.scope, id, x.actor), timeout_s=wait_s)
    return x.runtime.runs.outcome(x.scope, id, x.actor)


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
    return await x.runtime.runs.replay(x.scope, _id(x), x.actor)


async def trace(x: Exchange) -> Trace:
    """A run of a flow node by node, in the format of greentic-runner: hashes, or with `contents` also what they are of
    and what it takes to replay it. Only for whoever may read contents."""
    return x.runtime.runs.trace(x.scope, _id(x), x.actor, contents=x.query(Tracing).contents)


def _id(x: Exchange) -> RunId:
    return RunId(x.part("run"))


ROUTES = (
    ApiRoute("GET", "runs", "run.read", list_runs, query=Listing),
    ApiRoute("POST", "runs", "run.start", start, body=Starting, fails=(404, 409), takes_key=True),
    ApiRoute("GET", "runs/{run}", "run.read", show),
    ApiRoute("GET", "runs/{run}/explain", "run.read", explain),
    ApiRoute("GET", "runs/{run}/result", "run.result", result, query=Patience),
    ApiRoute("POST", "runs/{run}/cancel", "run.cancel", cancel, fails=(409,)),
    ApiRoute("POST", "runs/{run}/pause", "run.pause", pause, fails=(409,)),
    ApiRoute("POST", "runs/{run}/resume", "run.resume", resume, fails=(409,)),
    ApiRoute("POST", "runs/{run}/replay", "run.read", replay),
    ApiRoute("GET", "runs/{run}/trace", "run.read", trace, query=Tracing, fails=(409,)),
)
