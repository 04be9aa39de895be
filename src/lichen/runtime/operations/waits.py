"""Waits as the people who answer them see them: what exactly is asked, on which facts, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from lichen.agents.agent import Agent
from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.ports.plan import Awaited
from lichen.core.ports.policy import Meter
from lichen.core.words.errors import Conflict, Denied, Invalid, NotFound
from lichen.core.words.ids import RunId, SessionId, StreamId, ToolName, WaitId, run_stream
from lichen.core.words.scope import Actor, Scope
from lichen.core.words.wait import WaitKind, WaitOutcome
from lichen.engine.intake import Intake
from lichen.engine.journal.journal import Journal
from lichen.engine.local import LocalEngine
from lichen.log.keys.erasures import Erased
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.asked import Asked, Setting, asked
from lichen.runtime.names import name_of
from lichen.runtime.project.agents import kind_of
from lichen.runtime.project.hosting import family, specs_of
from lichen.runtime.records import RecordView, view
from lichen.runtime.redaction import shown

PEOPLE = ("approval", "reconcile")  # kinds of waits in which a person decides about an effect


class Decision(msgspec.Struct, frozen=True):
    """How a wait was answered: by whom (a pseudonym, and the name where it is known), when, and with which note.

    `is_own`: they approved what they had asked for themselves.
    """

    outcome: WaitOutcome
    by: str
    by_name: str
    at_us: int
    note: str
    is_own: bool


class WaitView(msgspec.Struct, frozen=True):
    """A wait. `id` names it in its scope; `digest` is what an answer is bound to; `decision` comes with its end.

    `asked` is what whoever decides is shown, whatever asks for it. `operator` is what lies behind: for an approval, the
    resolved call (`tool`, `arguments`), the `facts`, the policy's `reason`, and in `origins` where each argument came
    from. `requesters` spoke for it and may not approve it. `answer_schema` is what an answer must fit, `awaits` which
    results it must bring.
    """

    id: str
    run: RunId
    wait: WaitId
    kind: WaitKind
    may_answer: tuple[str, ...]
    digest: str
    opened_at_us: int
    expires_at_us: int | None
    public_text: str
    operator: dict[str, Any]
    asked: Asked
    agent: str
    session: SessionId | None
    customer: str
    customer_name: str
    requesters: tuple[str, ...]
    decision: Decision | None = None
    answer_schema: dict[str, Any] = {}
    awaits: tuple[Awaited, ...] = ()


class Waits:
    """The open waits of a runtime. Each operation raises Denied, and NotFound where the actor may not know of it."""

    def __init__(
        self,
        engine: LocalEngine,
        intake: Intake,
        access: Access,
        *,
        agents: Sequence[Agent] = (),
        meters_of: Callable[[Scope, str], tuple[Meter, ...]] = lambda scope, tool: (),
    ) -> None:
        self._engine = engine
        self._intake = intake
        self._access = access
        self._meters_of = meters_of
        self._agents = {agent.name: agent for agent in family(agents)}
        self._specs = {spec.name: spec for spec in specs_of(agents)}

    def list(self, scope: Scope, actor: Actor, *, kinds: tuple[str, ...] = PEOPLE) -> tuple[WaitView, ...]:
        """Open waits of these kinds, oldest first."""
        self._access.open("wait.read", scope, actor, EVERYTHING, what="wait")
        journal = self._engine.journal(scope)
        rows = journal.log.wait_rows()
        found = (self._view(journal, RunId(row.run), WaitId(row.wait)) for row in rows if row.kind in kinds)
        return tuple(wait for wait in found if wait is not None)

    def history(
        self, scope: Scope, actor: Actor, *, limit: int = 50, before: int | None = None
    ) -> tuple[WaitView, ...]:
        """What people were asked and answered, the last answer first; `before` is a position in the log."""
        self._access.open("wait.read", scope, actor, EVERYTHING, what="wait")
        journal = self._engine.journal(scope)
        closed = (record.control for record in journal.log.closed_waits(limit, before))
        found = (self._view(journal, each.run, each.wait) for each in closed if isinstance(each, e.WaitClosed))
        return tuple(wait for wait in found if wait is not None and wait.kind in PEOPLE)

    def closed(self, scope: Scope, id: str, actor: Actor) -> WaitView:
        """A wait that was answered: what was asked and what was decided. Raises NotFound (`wait_unknown`)."""
        self._access.open("wait.read", scope, actor, self._about(scope, id), what="wait")
        found = self._view(self._engine.journal(scope), *parse(id))
        if found is None or found.decision is None:
            raise NotFound("There is no such answered wait.", code="wait_unknown")
        return found

    def show(self, scope: Scope, id: str, actor: Actor) -> WaitView:
        """One open wait. Raises NotFound (`wait_unknown`), Conflict (`wait_closed`)."""
        self._access.open("wait.read", scope, actor, self._about(scope, id), what="wait")
        return self._shown(scope, id)

    async def answer(
        self,
        scope: Scope,
        id: str,
        outcome: WaitOutcome,
        actor: Actor,
        *,
        digest: str | None = None,
        body: dict[str, Any],
        key: str | None = None,
    ) -> None:
        """Answers a wait; returns once durable. Without `digest` the answer is about what is asked now.

        The same answer sent again under its idempotency `key` is no conflict.

        Raises NotFound, Denied, Conflict (`wait_closed` on the second answer), Expired, Invalid (`digest_invalid`).
        """
        about = self._about(scope, id)
        ruling = self._access.ask("wait.answer", scope, actor, about)
        bound = None if digest is None else _bytes(digest)
        try:
            shown = self._shown(scope, id)
            await self._intake.answer(
                scope,
                shown.run,
                shown.wait,
                outcome,
                actor,
                digest=bytes.fromhex(shown.digest) if bound is None else bound,
                body=body if key is None else {**body, "key": key},
                ruling=ruling,
            )
        except Denied as denied:
            self._access.refuse("wait.answer", scope, actor, about, reason=denied.code)
            raise
        except Conflict as conflict:
            if conflict.code != "wait_closed" or key is None or not self._is_repeated(scope, id, outcome, key):
                raise

    def _is_repeated(self, scope: Scope, id: str, outcome: WaitOutcome, key: str) -> bool:
        record = self._closing(scope, id)
        if record is None:
            return False
        answer: dict[str, Any] = (record.contents or {}).get("body") or {}
        return record.control["outcome"] == outcome and answer.get("key") == key

    def closing(self, scope: Scope, id: str, actor: Actor) -> RecordView | None:
        """The record that closed a wait; None while it is open."""
        self._access.open("wait.read", scope, actor, self._about(scope, id), what="wait")
        return self._closing(scope, id)

    def _closing(self, scope: Scope, id: str) -> RecordView | None:
        run, wait = parse(id)
        log = self._engine.journal(scope).log
        for record in log.records(run_stream(run)):
            if isinstance(record.control, e.WaitClosed) and record.control.wait == wait:
                return view(log, record)
        return None

    async def approve(self, scope: Scope, id: str, actor: Actor, *, digest: str | None = None, note: str = "") -> None:
        """Agrees to exactly the call that is shown. Policy and facts are checked again before it is made."""
        await self.answer(scope, id, "approved", actor, digest=digest, body={"note": note})

    async def deny(self, scope: Scope, id: str, actor: Actor, *, digest: str | None = None, note: str = "") -> None:
        """Refuses it; the agent is told and answers accordingly."""
        await self.answer(scope, id, "denied", actor, digest=digest, body={"note": note})

    def _about(self, scope: Scope, id: str) -> About:
        """The wait as policies see it: of its kind, and its run's customer's."""
        run, wait = parse(id)
        journal = self._engine.journal(scope)
        state = journal.run(run)
        kind = _kind(journal, state, wait)
        return About(kind, "wait", lambda journal: state.subject if kind else None, session=state.session, run=run)

    def _shown(self, scope: Scope, id: str) -> WaitView:
        run, wait = parse(id)
        found = self._view(self._engine.journal(scope), run, wait)
        if found is None:
            raise NotFound("There is no such wait in this scope.", code="wait_unknown")
        if found.decision is not None:
            raise Conflict(
                f"This was answered already: {found.decision.outcome.replace('_', ' ')}{_by(found.decision)}.",
                code="wait_closed",
                next_step=f"Run `lichen approvals show {id} --closed` to see what was decided.",
            )
        return found

    def _view(self, journal: Journal, run: RunId, id: WaitId) -> WaitView | None:
        """The wait as it was opened, with how it was answered; None when the run never had it."""
        stream = run_stream(run)
        state = journal.run(run)
        n = journal.log.find(stream, f"wait_opened/{run}/{id}") if state.n else None
        if n is None:
            return None
        event = journal.log.event(stream, n)
        assert isinstance(event.control, e.WaitOpened)
        opened, contents = event.control, _contents(journal, stream, n)
        operator: dict[str, Any] = shown(journal.log, stream, msgspec.json.decode(contents.get("operator", b"{}")))
        awaits: Any = shown(journal.log, stream, msgspec.json.decode(contents.get("awaits", b"[]")))
        log = journal.log
        return WaitView(
            id=f"{run}.{id}",
            run=run,
            wait=id,
            kind=opened.kind,
            may_answer=opened.may_answer,
            digest=opened.digest.hex(),
            opened_at_us=event.ts_us,
            expires_at_us=opened.expires_at_us,
            public_text=contents.get("public", b"").decode(),
            operator=operator,
            asked=asked(operator, self._setting(journal, state, str(operator.get("tool") or ""))),
            agent=state.agent,
            session=state.session,
            customer=state.subject,
            customer_name=name_of(log, state.subject),
            requesters=tuple(name_of(log, each) for each in opened.requesters),
            decision=None if id in state.waits else _decision(journal, stream, run, id),
            answer_schema=shown(journal.log, stream, msgspec.json.decode(contents.get("schema", b"{}"))),
            awaits=msgspec.convert(awaits, tuple[Awaited, ...]),
        )

    def _setting(self, journal: Journal, state: RunState, tool: str) -> Setting:
        agent = self._agents.get(state.agent)
        return Setting(
            agent=state.agent,
            kind=kind_of(agent) if agent else "own",
            spec=self._specs.get(ToolName(tool)),
            meters=self._meters_of(journal.scope, tool),
            name_of=lambda pseudonym: name_of(journal.log, pseudonym),
        )


def _by(decision: Decision) -> str:
    return f" by {decision.by_name}" if decision.by_name else ""


def _decision(journal: Journal, stream: StreamId, run: RunId, id: WaitId) -> Decision | None:
    n = journal.log.find(stream, f"wait_closed/{run}/{id}")
    if n is None:
        return None
    event = journal.log.event(stream, n)
    assert isinstance(event.control, e.WaitClosed)
    closed = event.control
    body: Any = msgspec.json.decode(_contents(journal, stream, n).get("body", b"{}"))
    note = str(body.get("note") or "") if isinstance(body, dict) else ""  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] - our own object
    by_name = name_of(journal.log, closed.by) if closed.by else ""
    return Decision(closed.outcome, closed.by, by_name, event.ts_us, note, closed.is_own)


def _kind(journal: Journal, state: RunState, id: WaitId) -> str:
    """The kind of a wait, also of one that is closed; empty when the run never had it."""
    wait = state.waits.get(id)
    if wait is not None:
        return wait.kind
    n = journal.log.find(run_stream(state.id), f"wait_opened/{state.id}/{id}") if state.n else None
    opened = None if n is None else journal.log.event(run_stream(state.id), n).control
    return opened.kind if isinstance(opened, e.WaitOpened) else ""


def _bytes(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        raise Invalid("A digest is written in hexadecimal.", code="digest_invalid", place="$.digest") from None


def _contents(journal: Journal, stream: StreamId, n: int) -> Mapping[str, bytes]:
    """None of them once whom they are about was erased; the wait can be answered all the same."""
    try:
        return journal.log.contents(stream, n)
    except Erased:
        return {}


def parse(id: str) -> tuple[RunId, WaitId]:
    """The run and wait of a wait's id. Raises Invalid (`wait_id_invalid`)."""
    run, _, wait = id.rpartition(".")
    if not run or not wait.startswith("w") or not wait[1:].isdigit() or len(id) > 256:
        raise Invalid("This is not the id of a wait.", code="wait_id_invalid")
    return RunId(run), WaitId(wait)
