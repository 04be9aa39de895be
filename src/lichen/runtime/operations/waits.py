"""Waits as the people who answer them see them: what exactly is asked, on which facts, and why."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.words.errors import Conflict, Denied, Invalid, NotFound
from lichen.core.words.ids import RunId, WaitId, run_stream
from lichen.core.words.scope import Actor, Scope
from lichen.core.words.wait import ABOUT_EFFECTS, WaitKind, WaitOutcome, is_requester, may_answer
from lichen.engine.engine import Engine
from lichen.engine.intake import handovers, waits
from lichen.engine.intake.request import Request
from lichen.engine.journal.journal import Journal
from lichen.runtime.access.access import EVERYTHING, About, Access, of_run
from lichen.runtime.operations.setting import Known
from lichen.runtime.views.asked import fields_of
from lichen.runtime.views.record import SEALED, WHOLE, Sight, opened, sight
from lichen.runtime.views.wait import Decision, Pair, WaitView, wait_view

PEOPLE: tuple[WaitKind, ...] = ABOUT_EFFECTS
"""The kinds of waits in which a person decides about an effect."""

FOR_PEOPLE: tuple[WaitKind, ...] = (*PEOPLE, "handover")
"""Those and the customers who want a person: all that an operator is asked."""


class Answerer(NamedTuple):
    """What somebody is to a wait: whether they may answer it, and whether they spoke for what it is about."""

    may_answer: bool
    is_requester: bool


class Waiting(msgspec.Struct, frozen=True):
    """How much waits for people: decisions and customers, `handovers` of them, and how many of their messages nobody
    read."""

    open: int
    handovers: int
    unread: int


_TELLING = (e.WaitOpened, e.WaitClosed, e.HandoverAttended, e.MessageReceived)


class Waits:
    """The open waits of a runtime. Each operation raises Denied, and NotFound where the actor may not know of it."""

    def __init__(self, engine: Engine, access: Access, known: Known) -> None:
        self._engine = engine
        self._access = access
        self._known = known

    def list(self, scope: Scope, actor: Actor, *, kinds: tuple[str, ...] = PEOPLE) -> tuple[WaitView, ...]:
        """Open waits of these kinds, oldest first."""
        self._access.look("wait.read", scope, actor, EVERYTHING, what="wait")
        journal = self._engine.journal(scope)
        rows = [(RunId(row.run), WaitId(row.wait)) for row in journal.log.wait_rows() if row.kind in kinds]
        found = (self._view(journal, run, wait, self._sight(journal, run, wait, actor)) for run, wait in rows)
        return tuple(wait for wait in found if wait is not None and wait.decision is None)

    def history(
        self, scope: Scope, actor: Actor, *, limit: int = 50, before: int | None = None
    ) -> tuple[WaitView, ...]:
        """What people were asked and answered, the last answer first; `before` is a position in the log."""
        view = sight(self._access.look("wait.read", scope, actor, EVERYTHING, what="wait"))
        journal = self._engine.journal(scope)
        closed = (record.control for record in journal.log.closed_waits(limit, before))
        found = (self._view(journal, each.run, each.wait, view) for each in closed if isinstance(each, e.WaitClosed))
        return tuple(wait for wait in found if wait is not None and wait.kind in PEOPLE)

    def closed(self, scope: Scope, id: str, actor: Actor) -> WaitView:
        """A wait that was answered: what was asked and what was decided. Raises NotFound (`wait_unknown`)."""
        view = sight(self._access.look("wait.read", scope, actor, about_wait(self._engine, scope, id), what="wait"))
        found = self._view(self._engine.journal(scope), *parse(id), view)
        if found is None or found.decision is None:
            raise NotFound("There is no such answered wait.", code="wait_unknown")
        return found

    def show(self, scope: Scope, id: str, actor: Actor) -> WaitView:
        """One open wait; what is asked for whoever may answer it, or may read contents. Raises NotFound
        (`wait_unknown`), Conflict (`wait_closed`)."""
        self._access.look("wait.read", scope, actor, about_wait(self._engine, scope, id), what="wait")
        return self._shown(scope, id, self._sight(self._engine.journal(scope), *parse(id), actor))

    def _sight(self, journal: Journal, run: RunId, id: WaitId, actor: Actor) -> Sight:
        """What somebody sees of an open wait: all of it, if they may read contents or are one of those it asks."""
        scope = journal.scope
        if self._access.sees(scope, actor, of_run(run)):
            return WHOLE
        found = journal.run(run).waits.get(id)
        if found is None or self._access.allowed("wait.answer", scope, actor, About(found.kind)) is None:
            return SEALED
        own = waits.allows_own(self._engine.services, scope)
        return sight(may_answer(found, actor, journal.log.pseudonym(actor), self_approval=own))

    def count(self, scope: Scope, actor: Actor) -> int:
        """How many open waits ask a person for something. What is asked is not opened for it."""
        self._access.ask("wait.read", scope, actor, EVERYTHING)
        counts = self._engine.journal(scope).log.wait_counts()
        return sum(counts.get(kind, 0) for kind in FOR_PEOPLE)

    def waiting(self, scope: Scope, actor: Actor) -> Waiting:
        """How much waits for people now. What is asked is not opened for it."""
        self._access.ask("wait.read", scope, actor, EVERYTHING)
        journal = self._engine.journal(scope)
        sessions = (journal.run(RunId(row.run)).session for row in journal.log.wait_rows() if row.kind == "handover")
        held = [journal.mailbox(session).handover for session in sessions if session is not None]
        unread = sum(len(handover.unread) for handover in held if handover is not None)
        return Waiting(self.count(scope, actor), len(held), unread)

    def news(self, scope: Scope, actor: Actor) -> AsyncGenerator[Waiting]:
        """How much waits for people now, and again whenever something about it changed. Raises Denied at once, or once
        the reader may not any more."""
        self.waiting(scope, actor)
        return self._news(scope, actor)

    async def _news(self, scope: Scope, actor: Actor) -> AsyncGenerator[Waiting]:
        log = self._engine.journal(scope).log
        async with aclosing(log.follow(log.durable_seq)) as records:
            yield self.waiting(scope, actor)
            async for record in records:
                if isinstance(record.control, _TELLING) and _is_about_people(record.control):
                    yield self.waiting(scope, actor)

    def answerer(self, scope: Scope, id: str, actor: Actor) -> Answerer:
        """What somebody is to an open wait. Raises NotFound (`wait_unknown`)."""
        self._access.ask("wait.read", scope, actor, about_wait(self._engine, scope, id))
        run, wait = parse(id)
        journal = self._engine.journal(scope)
        found = journal.run(run).waits.get(wait)
        if found is None:
            return Answerer(may_answer=False, is_requester=False)
        by = journal.log.pseudonym(actor)
        may = may_answer(found, actor, by, self_approval=waits.allows_own(self._engine.services, scope))
        return Answerer(may_answer=may, is_requester=found.kind in PEOPLE and is_requester(found, by))

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
        about = about_wait(self._engine, scope, id)
        ruling = self._access.ask("wait.answer", scope, actor, about)
        bound = None if digest is None else _bytes(digest)
        try:
            shown, request = self._shown(scope, id), Request(self._engine, scope, actor, ruling)
            if shown.kind == "handover" and shown.session is not None:
                await _write(request, shown, fields_of(body.get("result")) or body, key)
                return
            await waits.answer(
                request,
                shown.run,
                shown.wait,
                outcome,
                digest=bytes.fromhex(shown.digest) if bound is None else bound,
                body=body if key is None else {**body, "key": key},
            )
        except Denied as denied:
            self._access.refuse("wait.answer", scope, actor, about, reason=denied.code)
            raise
        except Conflict as conflict:
            if conflict.code != "wait_closed" or key is None or not self._is_repeated(scope, id, outcome, key):
                raise

    def _is_repeated(self, scope: Scope, id: str, outcome: WaitOutcome, key: str) -> bool:
        """Whether the answer that closed a wait was this one, sent under the same key."""
        run, wait = parse(id)
        log = self._engine.journal(scope).log
        n = log.find(run_stream(run), f"wait_closed/{run}/{wait}")
        if n is None:
            return False
        closing = opened(log, log.record(run_stream(run), n))
        control = closing.record.control
        assert isinstance(control, e.WaitClosed)
        return control.outcome == outcome and fields_of(closing.json("body")).get("key") == key

    async def approve(self, scope: Scope, id: str, actor: Actor, *, digest: str | None = None, note: str = "") -> None:
        """Agrees to exactly the call that is shown. Policy and facts are checked again before it is made."""
        await self.answer(scope, id, "approved", actor, digest=digest, body={"note": note})

    async def deny(self, scope: Scope, id: str, actor: Actor, *, digest: str | None = None, note: str = "") -> None:
        """Refuses it; the agent is told and answers accordingly."""
        await self.answer(scope, id, "denied", actor, digest=digest, body={"note": note})

    def _shown(self, scope: Scope, id: str, view: Sight = WHOLE) -> WaitView:
        run, wait = parse(id)
        found = self._view(self._engine.journal(scope), run, wait, view)
        if found is None:
            raise NotFound("There is no such wait in this scope.", code="wait_unknown")
        if found.decision is not None:
            raise Conflict(
                f"This was answered already: {found.decision.outcome.replace('_', ' ')}{_by(found.decision)}.",
                code="wait_closed",
                next_step=f"Run `lichen approvals show {id} --closed` to see what was decided.",
            )
        return found

    def _view(self, journal: Journal, run: RunId, id: WaitId, view: Sight) -> WaitView | None:
        """The wait as it was opened, with how it was answered; None when the run never had it. No run is folded."""
        keys = f"wait_opened/{run}/{id}", f"wait_closed/{run}/{id}"
        row, (opening, closing) = journal.log.under(run_stream(run), *keys)
        if opening is None:
            return None
        whose = row or journal.run(run)
        setting = self._known.setting(journal, whose.agent, view)
        found = wait_view(journal.log, whose, Pair(opening, closing), setting, view)
        if found.kind != "handover" or found.session is None or found.decision is not None:
            return found
        mailbox = journal.mailbox(found.session)
        due_us = None if mailbox.handover is None else mailbox.timers.get(mailbox.handover.timer)
        return msgspec.structs.replace(found, expires_at_us=due_us or found.expires_at_us)


def _is_about_people(control: e.Control) -> bool:
    """Whether a record changes what waits for people."""
    match control:
        case e.MessageReceived(disposition=disposition):
            return disposition == "handed"
        case e.WaitOpened(kind=kind):
            return kind in FOR_PEOPLE
        case _:
            return True


async def _write(request: Request, wait: WaitView, said: Mapping[str, Any], key: str | None) -> None:
    """A reply to whoever wants a person: `text`, and with `goes_on` there is more to say; else it is closed."""
    text, looked = str(said.get("text") or ""), handovers.Looked(key=key)
    if said.get("goes_on") is True and text.strip():
        await handovers.reply(request, wait.run, wait.wait, text, looked)
    else:
        await handovers.give_back(request, wait.run, wait.wait, "closed", looked, text=text)


def _by(decision: Decision) -> str:
    return f" by {decision.by_name}" if decision.by_name else ""


def about_wait(engine: Engine, scope: Scope, id: str) -> About:
    """A wait as policies see it: of its kind, and its run's customer's."""
    run, wait = parse(id)
    journal = engine.journal(scope)
    state = journal.run(run)
    kind = _kind(journal, state, wait)
    return About(kind, "wait", lambda journal: state.subject if kind else None, session=state.session, run=run)


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


def parse(id: str) -> tuple[RunId, WaitId]:
    """The run and wait of a wait's id. Raises Invalid (`wait_id_invalid`)."""
    run, _, wait = id.rpartition(".")
    if not run or not wait.startswith("w") or not wait[1:].isdigit() or len(id) > 256:
        raise Invalid("This is not the id of a wait.", code="wait_id_invalid")
    return RunId(run), WaitId(wait)
