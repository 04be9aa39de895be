"""Conversations: open one, find one, list them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from lichen.agents.agent import Agent
from lichen.core.deciders import events as e
from lichen.core.words.ids import AgentName, SessionId, session_stream
from lichen.core.words.scope import Actor, Scope, apart
from lichen.engine.engine import Engine
from lichen.engine.intake.messages import Coming, Receipt
from lichen.engine.intake.request import Request
from lichen.engine.intake.sessions import Opening, open_session, session_id
from lichen.engine.intake.together import say_together
from lichen.runtime.access.access import EVERYTHING, About, Access, of_session
from lichen.runtime.operations.talk.session import NewMessage, Session
from lichen.runtime.views.session import SessionSummary, session_line


class Sessions:
    """Opens sessions. Every operation names a scope; another scope's sessions do not exist for it."""

    def __init__(self, engine: Engine, access: Access, agents: Callable[[], tuple[Agent, ...]]) -> None:
        self._engine = engine
        self._access = access
        self._agents = agents

    async def open(
        self,
        scope: Scope,
        actor: Actor,
        *,
        agent: str | None = None,
        channel: str = "api",
        delivery: Literal["pull", "push"] = "pull",
        double_texting: e.DoubleTexting = "enqueue",
        key: str | None = None,
        generation: int = 0,
        attributes: Mapping[str, str] = {},
        language: str = "",
        address: bytes = b"",
        by: Actor | None = None,
        team: str = "",
    ) -> Session:
        """A session of `actor` with an agent (may be left out when the runtime has one).

        `language` is what the customer wants, a tag or a list as Accept-Language has it. The session is held in one
        that the tenant speaks, for good.

        `delivery="push"` sends replies through the runtime's channel of this name, to the `address` it gave; else they
        are fetched.
        With a `key` it is always the same session for this actor, agent and channel; so many `generation`s of it were
        closed. `by`: who opens it, where it is begun with somebody who did not ask. `attributes` reach the planner
        and the tools of every run of the session. `team` is that whose rules of access bind it beside the tenant's, for
        good: in another team it is another session. `scope` may name it instead.
        Raises NotFound (`agent_unknown`), Invalid (`attributes_invalid`, `attributes_missing`), Denied, Unavailable.
        """
        scope, team = apart(scope, team)
        given = self._agents()
        name = AgentName(agent or (given[0].name if len(given) == 1 else ""))
        request = Request(self._engine, scope, actor)
        id = session_id(request, name, channel=channel, key=key, generation=generation, team=team)
        if key is not None and await self._is_open(scope, id):
            return self.get(scope, id, actor)
        opening = Opening(name, channel, delivery, double_texting, attributes, language, address, team)
        ruling = self._permit(scope, actor, opening)
        request = Request(self._engine, scope, actor, ruling)
        is_new = await open_session(request, id, opening, is_fresh=key is None, by=by)
        return Session(self._access, self._engine, scope, id, actor, is_new=is_new)

    def permit(
        self, scope: Scope, actor: Actor, *, agent: str, channel: str, language: str = "", team: str = ""
    ) -> None:
        """Whether opening a session would be refused now; nothing is opened. Raises as `open` does."""
        scope, team = apart(scope, team)
        request, name = Request(self._engine, scope, actor), AgentName(agent)
        request.agent(name)
        self._engine.admit(scope, actor)
        self._permit(scope, actor, Opening(name, channel, language=language, team=team))

    async def say(self, messages: Sequence[NewMessage]) -> list[Receipt | Exception]:
        """Takes messages of sessions of one scope that came together, each as `Session.say` does; returns, once all are
        durable, of each the receipt or what `say` raises."""
        return await say_together([await _prepared(message) for message in messages])

    async def found(
        self, scope: Scope, actor: Actor, *, agent: str, channel: str, key: str, waits: bool = False, team: str = ""
    ) -> Session | None:
        """The session that was opened under this key for this actor, agent and channel; None while there is none, or
        with `waits` as soon as there is one. Raises NotFound (`agent_unknown`), Denied, Unavailable."""
        scope, team = apart(scope, team)
        request = Request(self._engine, scope, actor)
        id = session_id(request, AgentName(agent), channel=channel, key=key, team=team)
        journal, stream = self._engine.journal(scope), session_stream(id)
        mine = journal.log.pseudonym(actor)  # as whose it would be opened
        self._access.ask("session.read", scope, actor, About(id, "session", lambda _: mine, session=id))
        watch = journal.watch(stream) if waits else None
        while not await self._is_open(scope, id):
            if watch is None:
                journal.forget(stream)  # nothing of a conversation that did not begin stays in memory
                return None
            await watch.next()
        return self.get(scope, id, actor)

    async def _is_open(self, scope: Scope, id: SessionId) -> bool:
        journal, stream = self._engine.journal(scope), session_stream(id)
        await journal.log.load(stream)
        return journal.state(stream).n > 0

    def _permit(self, scope: Scope, actor: Actor, opening: Opening) -> e.Ruling:
        """What the gate says of opening it, if the agent may be at work there. Raises Denied."""
        wording = self._engine.services.wording(scope)
        language = wording.chosen(opening.language) if opening.language else ""
        ruling = self._access.ask(
            "session.open", scope, actor, About(opening.agent, team=opening.team), language=language
        )
        self._access.host(scope, opening.agent)
        return ruling

    async def list(
        self, scope: Scope, actor: Actor, *, limit: int = 100, before: int | None = None, agent: str | None = None
    ) -> tuple[SessionSummary, ...]:
        """The newest sessions first. `before` is the `first_seq` of the last session of the page before."""
        self._access.ask("session.list", scope, actor, EVERYTHING)
        journal = self._engine.journal(scope)
        rows = journal.log.stream_rows("session", limit, before, agent=agent)
        return tuple(session_line(stream, row) for stream, row in journal.log.session_rows(rows))

    def get(self, scope: Scope, session: SessionId, actor: Actor) -> Session:
        """An existing session. Raises NotFound (`session_unknown`) where the actor may not see it, Denied."""
        self._access.ask("session.read", scope, actor, of_session(session))
        return Session(self._access, self._engine, scope, session, actor)


async def _prepared(message: NewMessage) -> Coming | Exception:
    try:
        return await message.session.prepared(message)
    except Exception as error:  # noqa: BLE001 - it is this message's: the others may be taken
        return error
