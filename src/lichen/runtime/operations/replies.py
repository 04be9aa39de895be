"""Answers from outside that say where they come back, and not which wait they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lichen.core.state.replies import ReplyScope
from lichen.core.words.errors import Conflict, Invalid, NotFound
from lichen.core.words.ids import run_stream
from lichen.core.words.scope import Actor, Customer, Scope
from lichen.engine.engine import Engine
from lichen.engine.intake.waits import open_wait
from lichen.runtime.access.access import About, Access
from lichen.runtime.operations.waits import Waits, about_wait, parse
from lichen.runtime.state.waiting import WaitIndex

KIND: Final = "external"
TTL_S_MAX: Final = 366 * 86_400


class Replies:
    """Registers where a wait's answer comes back, and answers the wait that one is for. Raises Denied.

    The log has the waits; what is registered is only how to find one, and an entry that leads to none is forgotten.
    """

    def __init__(self, engine: Engine, access: Access, waits: Waits, index: WaitIndex) -> None:
        self._engine, self._access, self._waits, self._index = engine, access, waits, index

    async def expect(
        self, scope: Scope, id: str, reply: ReplyScope, actor: Actor, *, user: str = "", ttl_s: int = 0
    ) -> None:
        """Has answers that come back there be for an open wait for something from outside, for whoever may answer it.

        `user` is the customer who answers, if it is one alone; `ttl_s` 0 lasts as long as the wait. Raises NotFound
        (`wait_unknown`), Conflict (`wait_closed`, `wait_registered`), Invalid (`reply_unexpected`,
        `reply_scope_invalid`), Unavailable (`state_unavailable`).
        """
        self._access.ask("wait.answer", scope, actor, about_wait(self._engine, scope, id))
        run, wait = parse(id)
        if open_wait(self._engine.journal(scope).run(run), wait).kind != KIND:
            raise Invalid("This is no wait for something from outside.", code="reply_unexpected")
        if not 0 <= ttl_s <= TTL_S_MAX:
            raise Invalid(f"An entry is kept for 0 to {TTL_S_MAX} seconds.", code="state_ttl")
        whose = self._pseudonym(scope, user)
        found = await self._index.find(scope, reply, user=whose)
        replaces = found.version if found is not None and not self._is_open(scope, found.wait) else ""
        await self._index.register(scope, reply, id, user=whose, ttl_s=ttl_s, replaces=replaces)

    async def find(self, scope: Scope, reply: ReplyScope, actor: Actor, *, user: str = "") -> str:
        """The id of the open wait that an answer is for. Raises NotFound (`reply_unknown`), Invalid, Unavailable."""
        self._access.ask("wait.answer", scope, actor, About(KIND))
        whose = self._pseudonym(scope, user)
        found = await self._index.find(scope, reply, user=whose)
        if found is not None and self._is_open(scope, found.wait):
            return found.wait
        if found is not None:
            await self._index.clear(scope, reply, user=whose, only=found.version)
        raise NotFound("No wait is registered for what comes back there.", code="reply_unknown")

    async def bring(
        self,
        scope: Scope,
        reply: ReplyScope,
        actor: Actor,
        *,
        result: Mapping[str, Any],
        user: str = "",
        key: str | None = None,
    ) -> str:
        """Answers the wait that is registered for what comes back there; returns its id once that is durable.

        The same answer sent again under its idempotency `key` is no conflict. Raises as `find`, Conflict
        (`wait_closed`), Expired, Invalid (`answer_unexpected`), Denied (`may_not_answer`).
        """
        self._access.ask("wait.answer", scope, actor, About(KIND))
        whose = self._pseudonym(scope, user)
        found = await self._index.find(scope, reply, user=whose)
        if found is None:
            raise NotFound("No wait is registered for what comes back there.", code="reply_unknown")
        try:
            await self._waits.answer(scope, found.wait, "answered", actor, body={"result": dict(result)}, key=key)
        except (NotFound, Conflict):
            if not self._is_open(scope, found.wait):  # and not only for whoever asks
                await self._index.clear(scope, reply, user=whose, only=found.version)
            raise
        return found.wait

    def _is_open(self, scope: Scope, id: str) -> bool:
        run, wait = parse(id)
        journal = self._engine.journal(scope)
        return journal.state(run_stream(run)).n > 0 and wait in journal.run(run).waits

    def _pseudonym(self, scope: Scope, user: str) -> str:
        return self._engine.journal(scope).log.pseudonym(Customer(user)) if user else ""
