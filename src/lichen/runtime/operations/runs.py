"""Runs as people and programs read and steer them, and why one is not moving."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState, decide
from lichen.core.ports.overrides import NONE, Overrides
from lichen.core.words.errors import Conflict, Denied
from lichen.core.words.ids import AgentName, RunId, SessionId, run_stream
from lichen.core.words.scope import Actor, Scope, apart
from lichen.core.words.wait import WaitKind
from lichen.engine.engine import Engine
from lichen.engine.intake import runs
from lichen.engine.intake.labels import declassify
from lichen.engine.intake.request import Request
from lichen.engine.journal.journal import Journal
from lichen.gate.rules.schema import Action
from lichen.log.records.record import Record
from lichen.runtime.access.access import EVERYTHING, About, Access, is_channel, of_request, of_run, of_state
from lichen.runtime.operations.setting import Known
from lichen.runtime.operations.talk.feed import Feed
from lichen.runtime.operations.talk.partials import partials
from lichen.runtime.operations.talk.pieces import PieceView, pieces
from lichen.runtime.operations.valued import schema_of, tree_of, value_of
from lichen.runtime.replay import Replay, replay
from lichen.runtime.views.record import sight
from lichen.runtime.views.run import (
    Around,
    Explanation,
    Outcome,
    RunDetail,
    RunStatus,
    RunSummary,
    asks_people,
    detail,
    explanation,
    run_summary,
    seen,
    status_of,
)
from lichen.runtime.views.story.replies import WaitingReply, waiting_replies
from lichen.tools.arguments.answer import answer_type

if TYPE_CHECKING:
    from lichen.flows.trace.document import Trace


class Answer(NamedTuple):
    """What a run answered: the words, and the value where its answers have a type."""

    text: str
    value: Any


class Runs:
    """The runs of a runtime. Every operation names a scope; another scope's runs do not exist for it.

    Each raises NotFound (`run_unknown`) where the actor may not know of the run, and Denied.
    """

    def __init__(self, engine: Engine, access: Access, known: Known) -> None:
        self._engine = engine
        self._access = access
        self._known = known

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
        answers: Any = None,
        overrides: Overrides = NONE,
        team: str = "",
    ) -> RunId:
        """Starts one run without a session; returns once it is durable. Repeated with the same `key` it is one run.

        `input` is any JSON that the run begins with: a flow's entry, an agent's message. With it `text` may be empty.
        `answers` is what the answer has to be, whatever the agent gives as a rule: a type that pydantic knows, or a
        JSON Schema.
        `overrides` leave this run fewer tools and narrower limits than its agent has. `team` is that whose rules of
        access bind it beside the tenant's; `scope` may name it instead.
        """
        scope, team = apart(scope, team)
        schema = b"" if answers is None else schema_of(answer_type(answers))
        ruling = self._access.ask("run.start", scope, actor, About(agent, team=team))
        self._access.host(scope, agent)
        request = Request(self._engine, scope, actor, ruling)
        return await runs.start(
            request,
            AgentName(agent),
            text,
            key=key,
            input=input,
            attributes=attributes,
            schema=schema,
            overrides=overrides,
            team=team,
        )

    async def result(self, scope: Scope, run: RunId, actor: Actor) -> str:
        """The answer of a run, once it is finished and durable. Waits as long as the run does.

        Raises Denied for whoever it is not for, is no channel, and may not read contents (`run.contents`).
        """
        self._access.ask("run.result", scope, actor, of_run(run))
        self._access.hear(scope, actor, of_run(run))
        journal = self._engine.journal(scope)
        if not journal.run(run).outcome:
            await journal.watch(run_stream(run), e.RunFinished).next()
        state = journal.run(run)  # it leaves memory once it is durable
        known = journal.log.known(run_stream(run), state.n - 1)
        await journal.durable(run=run)
        self._access.open("run.result", scope, actor, of_state(state), what="run")
        if known is None or journal.is_erased(state.subject):
            return _answer(journal, state)
        return known.get("answer", b"").decode()

    async def answer(self, scope: Scope, run: RunId, actor: Actor, *, answers: Any = None) -> Answer:
        """The answer of a run with its value, once it is finished and durable. `answers` is the type that the run was
        started for, if it was; else the value is of what its agent gives.

        Raises Invalid (`answer_invalid`) where it does not fit that type.
        """
        text = await self.result(scope, run, actor)
        wanted = None if answers is None else answer_type(answers)
        return Answer(text, value_of(self._engine, scope, run, wanted))

    def outcome(self, scope: Scope, run: RunId, actor: Actor) -> Outcome:
        """How a run and the children it waits for stand now; with its answer for whoever may have that."""
        self._access.ask("run.result", scope, actor, of_run(run))
        is_said = self._is_said(scope, run, actor)
        journal = self._engine.journal(scope)
        state = journal.run(run)
        open_waits = [(each.id, wait) for each in _family(journal, run) for wait in each.waits.values()]
        waits = tuple(f"{owner}.{wait.id}" for owner, wait in open_waits)
        answer = _answer(journal, state) if state.outcome and is_said else None
        value = tree_of(self._engine, scope, run) if state.outcome and is_said else None
        code = state.cancel or state.failure or (f"limit_{state.limit}" if state.limit else "")
        kinds: tuple[WaitKind, ...] = tuple([wait.kind for _, wait in open_waits])
        return Outcome(run, status_of(state), _is_moving(journal, run), answer, waits, value, code, kinds)

    def partials(self, scope: Scope, run: RunId, actor: Actor) -> AsyncGenerator[Any]:
        """What there is so far of an answer that has a type, as JSON has it, each time there is more; then all of it,
        if the run gave it. Of a run in a session nothing comes before the end where policy might yet keep it back."""
        self._access.ask("run.result", scope, actor, of_run(run))
        self._access.hear(scope, actor, of_run(run))
        self._access.open("run.result", scope, actor, of_run(run), what="run")
        return partials(self._engine, scope, run)

    def _is_said(self, scope: Scope, run: RunId, actor: Actor) -> bool:
        """Whether the actor may have the answer of a run; that they have it is noted."""
        about = of_run(run)
        if not (is_channel(actor) or self._access.sees(scope, actor, about)):
            return False
        self._access.open("run.result", scope, actor, about, what="run")
        return True

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
        last run of the page before. A page that shows what was asked is one opening, whatever rows are on it."""
        self._access.ask("run.read", scope, actor, EVERYTHING)
        log = self._engine.journal(scope).log
        standing = _STANDINGS.get(status or "", {})
        rows = log.stream_rows("run", limit, before, agent=agent, session=session, **standing)
        records = log.records_telling(rows)
        contents = self._access.allowed("run.contents", scope, actor, EVERYTHING)
        view = sight(contents is not None)
        page = tuple(run_summary(log, row, records[row.number], view) for row in rows)
        if contents is not None and any(run.asked for run in page):
            resource = "runs" if before is None else f"runs before {before}"
            self._access.openings.note("run", scope, actor, resource, contents)
        return page

    def follow(self, scope: Scope, run: RunId, actor: Actor, *, with_session: bool = False) -> Feed:
        """The run's records as they happen."""
        self._access.look("run.read", scope, actor, of_run(run), what="feed")
        return Feed(self._access, self._engine.journal(scope), run, actor, with_session=with_session)

    def pieces(self, scope: Scope, run: RunId, actor: Actor) -> AsyncGenerator[PieceView]:
        """What the run's models say, think and call from now on, piece by piece, until the run is over. Whoever may not
        read contents is told of their kinds and sizes."""
        about = of_run(run)
        self._access.look("run.read", scope, actor, about, what="feed")
        sees = partial(self._access.sees, scope, actor, about)
        return pieces(self._engine.services.pieces, self._engine.journal(scope), run, sees)

    async def replay(self, scope: Scope, run: RunId, actor: Actor) -> Replay:
        """Goes through a run again with no effect performed."""
        self._access.look("run.read", scope, actor, of_run(run), what="run")
        return await replay(self._engine.services, self._engine.journal(scope), run)

    def trace(self, scope: Scope, run: RunId, actor: Actor, *, contents: bool = False) -> Trace:
        """A run of a flow node by node: hashes of what each was given and gave; with `contents` that itself, and what
        it takes to replay it. Only for whoever may read contents (`run.contents`).

        Raises Invalid (`trace_no_flow`, `trace_too_long`), Conflict (`trace_version_gone`, `trace_diverged`), and
        ContentErased.
        """
        from lichen.flows.trace.making import traced
        from lichen.runtime.tracing import recorded_run

        about = of_run(run)
        self._access.ask("run.read", scope, actor, about)
        self._access.ask("run.contents", scope, actor, about)
        self._access.look("run.read", scope, actor, about, what="run")
        made = recorded_run(self._engine.services, self._engine.journal(scope), run)
        return traced([made], version=version("lichen"), contents=contents)

    def show(self, scope: Scope, run: RunId, actor: Actor) -> RunDetail:
        """All of a run, with where the time of its child runs went; contents opened for whoever may read them."""
        view = sight(self._access.look("run.read", scope, actor, of_run(run), what="run"))
        journal = self._engine.journal(scope)
        state = journal.run(run)
        around = Around(
            setting=self._known.setting(journal, state.agent, view),
            planner=self._known.planner(state.agent),
            open_waits=tuple(self._open_waits(journal, state, actor)),
            records_of=lambda child: self._records(journal, child, actor),
            now_us=self._engine.services.clock(),
            sight=view,
            replies=_replies(journal, state, actor),
        )
        return detail(journal.log, state, journal.log.records(run_stream(run)), around)

    def _records(self, journal: Journal, child: RunId, actor: Actor) -> Sequence[Record]:
        """The records of a child run; none of one that whoever reads its parent may not read."""
        return journal.log.records(run_stream(child)) if self._may_read(journal, child, actor) else ()

    def _open_waits(self, journal: Journal, state: RunState, actor: Actor) -> Iterator[str]:
        """What a person is asked by the run, or by a child run it waits for."""
        yield from asks_people(state)
        for call in state.calls.values():
            if call.child is not None and self._may_read(journal, call.child, actor):
                yield from self._open_waits(journal, journal.run(call.child), actor)

    def _may_read(self, journal: Journal, run: RunId, actor: Actor) -> bool:
        if not journal.run(run).n:
            return False
        try:
            self._access.ask("run.read", journal.scope, actor, of_run(run))
        except Denied:
            return False
        return True

    def explain(self, scope: Scope, run: RunId, actor: Actor) -> Explanation:
        """Why the run is where it is. What was asked and said is in it for whoever may read contents, so it is an
        opening of the run then."""
        sees = sight(self._access.look("run.read", scope, actor, of_run(run), what="run"))
        journal = self._engine.journal(scope)
        state, log = journal.run(run), journal.log
        records = tuple(seen(log, log.records(run_stream(run)), sees))
        setting = self._known.setting(journal, state.agent, sees)
        return explanation(state, records, setting, _replies(journal, state, actor))

    async def declassify(self, scope: Scope, run: RunId, sources: Sequence[str], actor: Actor, *, reason: str) -> None:
        """Lets what the run has read go without these sources of its label, and its session's turns to come.

        Raises Invalid (`sources_unknown`, `reason_missing`), Conflict (`run_finished`).
        """
        request = self._request("run.declassify", scope, run, actor)
        await declassify(request, tuple(sources), reason=reason, run=run)

    async def cancel(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Ends a run; customers end their own, which nothing else called. Cancelling twice is no error; one that ended
        by itself is a Conflict (`run_finished`)."""
        about = of_request(run) if actor.kind == "customer" else of_run(run)
        request = Request(self._engine, scope, actor, self._access.ask("run.cancel", scope, actor, about))
        outcome = self._engine.journal(scope).run(run).outcome
        if outcome and outcome != "cancelled":
            raise Conflict(
                f"The run is over: it {'has failed' if outcome == 'failed' else 'completed'}.",
                code="run_finished",
                next_step=f"`lichen runs explain {run}` says how.",
            )
        await runs.cancel(request, run)

    async def pause(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Halts a run at the next step boundary."""
        await runs.pause(self._request("run.pause", scope, run, actor), run)

    async def preempt(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Sets a run aside for more urgent work; it leaves memory once what it runs has ended."""
        await runs.preempt(self._request("run.pause", scope, run, actor), run)

    async def resume(self, scope: Scope, run: RunId, actor: Actor) -> None:
        """Lets a paused or preempted run go on."""
        await runs.resume(self._request("run.resume", scope, run, actor), run)

    def _request(self, action: Action, scope: Scope, run: RunId, actor: Actor) -> Request:
        """A request for something with a run that is allowed."""
        return Request(self._engine, scope, actor, self._access.ask(action, scope, actor, of_run(run)))


def _answer(journal: Journal, state: RunState) -> str:
    """The answer of a finished run. Raises ContentErased."""
    return journal.log.contents(run_stream(state.id), state.n - 1).get("answer", b"").decode()


def _replies(journal: Journal, state: RunState, actor: Actor) -> tuple[WaitingReply, ...]:
    """What a run says that has not left yet; its customer is told nothing of why."""
    if state.session is None or actor.kind == "customer":
        return ()
    return waiting_replies(journal.log, journal.mailbox(SessionId(state.session)), state.id)


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


_STANDINGS: dict[str, dict[str, str]] = {
    "running": {"outcome": "", "standing": "owing"},
    "waiting": {"outcome": "", "standing": "waiting"},
    "completed": {"outcome": "completed"},
    "failed": {"outcome": "failed"},
    "cancelled": {"outcome": "cancelled"},
}
"""What each status is in the columns of a row."""
