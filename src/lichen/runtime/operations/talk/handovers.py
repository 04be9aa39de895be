"""Conversations that a person is to have: who wants one, who has which, what they write, and how it goes back."""

from __future__ import annotations

from collections.abc import Awaitable

from lichen.core.words.errors import Denied, NotFound
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.intake import handovers
from lichen.engine.intake.handovers import Looked, Then
from lichen.engine.intake.request import Request
from lichen.runtime.access.access import Access
from lichen.runtime.operations.waits import Waits, about_wait, parse
from lichen.runtime.views.session import HandoverView, handover_view
from lichen.runtime.views.wait import WaitView


class Handovers:
    """The hand-overs of a runtime. Each operation raises Denied, and NotFound where the actor may not know of it.

    `id` is that of the wait that stands for one. `read` is how much of the session whoever does something had before
    them, as the view says it; None for all there is. What is done twice under one `key` is done once.
    """

    def __init__(self, engine: Engine, access: Access, waits: Waits) -> None:
        self._engine = engine
        self._access = access
        self._waits = waits

    def list(self, scope: Scope, actor: Actor) -> tuple[HandoverView, ...]:
        """Every open one, the oldest first."""
        waits = self._waits.list(scope, actor, kinds=("handover",))
        return tuple(self._view(scope, actor, wait) for wait in waits if wait.session is not None)

    def show(self, scope: Scope, id: str, actor: Actor) -> HandoverView:
        """An open one. Raises NotFound (`wait_unknown`), Conflict (`wait_closed`), Invalid (`wait_id_invalid`)."""
        wait = self._waits.show(scope, id, actor)
        if wait.kind != "handover":
            raise NotFound("This waits for a person, who is not to have the conversation.", code="wait_unknown")
        return self._view(scope, actor, wait)

    async def take(
        self, scope: Scope, id: str, actor: Actor, *, read: int | None = None, key: str | None = None
    ) -> None:
        """Makes the conversation the actor's, whoever had it. The customer is told when nobody had.

        Raises Conflict (`wait_closed`), Expired.
        """
        request, (run, wait) = self._request(scope, id, actor), parse(id)
        await self._done(request, id, handovers.take(request, run, wait, Looked(read, key)))

    async def reply(
        self, scope: Scope, id: str, text: str, actor: Actor, *, read: int | None = None, key: str | None = None
    ) -> None:
        """Writes to the customer; the conversation is the actor's from then on.

        Raises Conflict (`wait_closed`, `handover_taken` while somebody else has it, `key_reused`), Expired, Denied
        (`message_refused`), Invalid (`message_empty`, `message_too_large`), Unavailable (`outbox_full`).
        """
        request, (run, wait) = self._request(scope, id, actor), parse(id)
        await self._done(request, id, handovers.reply(request, run, wait, text, Looked(read, key)))

    async def give_back(
        self,
        scope: Scope,
        id: str,
        actor: Actor,
        *,
        then: Then = "returned",
        text: str = "",
        read: int | None = None,
        key: str | None = None,
    ) -> None:
        """Ends it, with a last message or without one. `returned`: the assistant goes on, and the customer is told so;
        `closed`: everything is said. What the customer wrote that was not read goes to the assistant either way.

        Raises as `reply` does.
        """
        request, (run, wait) = self._request(scope, id, actor), parse(id)
        await self._done(request, id, handovers.give_back(request, run, wait, then, Looked(read, key), text=text))

    def _request(self, scope: Scope, id: str, actor: Actor) -> Request:
        ruling = self._access.ask("wait.answer", scope, actor, about_wait(self._engine, scope, id))
        return Request(self._engine, scope, actor, ruling)

    async def _done(self, request: Request, id: str, work: Awaitable[None]) -> None:
        try:
            await work
        except Denied as denied:
            about = about_wait(self._engine, request.scope, id)
            self._access.refuse("wait.answer", request.scope, request.actor, about, reason=denied.code)
            raise

    def _view(self, scope: Scope, actor: Actor, wait: WaitView) -> HandoverView:
        journal = self._engine.journal(scope)
        assert wait.session is not None
        may_answer = self._waits.answerer(scope, wait.id, actor).may_answer
        who = journal.log.pseudonym(actor)
        return handover_view(journal.log, journal.mailbox(wait.session), wait, who=who, may_answer=may_answer)
