"""Who asks something of an engine, where, and what is looked up for them on the way."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.words.errors import ContentErased, NotFound
from lichen.core.words.ids import AgentName, RunId, SessionId, StreamId, TurnId, run_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.ports import NOBODY, AgentDef, Whose


class Request:
    """One thing that somebody asks of an engine, in one scope.

    Whether they may is asked before (`lichen.runtime.operations`); `ruling` is what the gate said of it.
    """

    def __init__(self, engine: Engine, scope: Scope, actor: Actor, ruling: e.Ruling | None = None) -> None:
        self.engine = engine
        self.services = engine.services
        self.journal = engine.journal(scope)
        self.scope = scope
        self.actor = actor
        self.ruling = ruling

    @cached_property
    def by(self) -> str:
        """The actor's pseudonym, whose name the log keeps from now on."""
        return self.journal.log.name(self.actor)

    @property
    def subject(self) -> str:
        """The actor's pseudonym. Raises ContentErased: of somebody who was erased nothing new is written."""
        if self.journal.is_erased(self.by):
            raise ContentErased("This subject was erased, so nothing more is sealed for it.")
        return self.by

    async def admitted(self, *, ahead: int = 0) -> None:
        """Returns when what is asked may begin, after so much that is taken and not appended yet. Raises Unavailable,
        as `Engine.admit` and `Engine.turn` do."""
        self.engine.admit(self.scope, self.actor, ahead=ahead)
        await self.engine.turn(self.journal)

    # -- what it is about ----------------------------------------------------------------------------------------

    def agent(self, name: AgentName, whose: Whose = NOBODY) -> AgentDef:
        """The version of an agent that begins now for these. Raises NotFound (`agent_unknown`)."""
        found = self.services.agents.get(name, self.scope, whose)
        if found is None:
            raise NotFound("There is no agent of this name.", code="agent_unknown")
        return found

    def mailbox(self, session: SessionId) -> MailboxState:
        """A session as it is now. Raises NotFound (`session_unknown`)."""
        mailbox = self.journal.mailbox(session)
        if not mailbox.n:
            raise NotFound("There is no such session in this scope.", code="session_unknown")
        return mailbox

    def run(self, run: RunId) -> RunState:
        """A run as it is now. Raises NotFound (`run_unknown`)."""
        state = self.journal.run(run)
        if not state.n:
            raise NotFound("There is no such run in this scope.", code="run_unknown")
        return state

    # -- what becomes of it --------------------------------------------------------------------------------------

    def append(self, appended: Mapping[StreamId, moves.Drafts]) -> None:
        """Appends in the actor's name, to every stream or to none."""
        self.journal.append(appended, actor=self.by)

    def append_to(
        self, state: RunState, appended: Mapping[StreamId, moves.Drafts], *, turn: TurnId | None = None
    ) -> None:
        """Appends, with what the gate said in the act itself: the first record that this run hears of it."""
        stream = run_stream(state.id)
        act, *others = appended[stream]
        ruled = msgspec.structs.replace(act, control=msgspec.structs.replace(act.control, ruling=self.ruling))
        self.journal.append({**appended, stream: (ruled, *others)}, actor=self.by, turn=turn)


def merged(
    appended: Mapping[StreamId, moves.Drafts], more: Mapping[StreamId, moves.Drafts]
) -> dict[StreamId, moves.Drafts]:
    """Both, in their order where they are about one stream."""
    both = dict(appended)
    for stream, drafts in more.items():
        both[stream] = (*both.get(stream, ()), *drafts)
    return both
