"""The memory of a run: what it may look back on of its own conversation, and of all that its person had."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lichen.core.deciders.run import RunState
from lichen.core.memory.events import MemoryEvent, MemoryScope, MemoryType
from lichen.core.ports.agent import AgentDef
from lichen.core.ports.call import CallMeta
from lichen.core.words.errors import Denied
from lichen.core.words.ids import AgentName, root_run
from lichen.core.words.scope import Actor, Scope, is_claimed
from lichen.engine.act import Act
from lichen.engine.brief.history import Handed
from lichen.engine.brief.lookback import Seen, Specs, Wanted, Whose, look_back
from lichen.engine.journal.journal import Journal
from lichen.log.views.durable import moment_of


def whose(journal: Journal, state: RunState, actor: Actor, of: MemoryScope) -> Whose:
    """The past of a run's agent in its conversation, or in all that its person had.

    Raises Denied (`memory_denied`) where nobody vouches for who that person is.
    """
    if of == "session":
        return Whose(state.agent, state.session)
    person = actor.subject
    if person.kind != "customer" or is_claimed(person.id):
        raise Denied("Nobody vouches for who this conversation is with.", code="memory_denied")
    partner = state.agent if state.session is None else journal.mailbox(state.session).agent
    return Whose(state.agent, state.session, state.subject, partner)


class Past:
    """The memory that a plan is given: all that was before its run. `may` raises Denied where a person's other
    conversations are none of the agent's business; `handed` is told the label of what was read."""

    def __init__(self, act: Act, handed: Handed | None, may: Callable[[], None]) -> None:
        self._act, self._handed, self._may = act, handed, may

    async def events(
        self,
        *types: MemoryType,
        limit: int = 20,
        since_us: int = 0,
        containing: str = "",
        of: MemoryScope = "session",
    ) -> tuple[MemoryEvent, ...]:
        """The latest events before the run, the newest first. Raises Denied, Unavailable."""
        act = self._act
        if of == "person":
            self._may()
        elif act.state.session is None:
            return ()
        before = moment_of(act.journal.log.record(act.stream, 0))
        past = whose(act.journal, act.state, act.actor, of)._replace(before=before, but=root_run(act.state.id))
        wanted = Wanted(types, limit, since_us, containing)
        seen = await act.journal.log.looked_back(partial(look_back, past, wanted, _specs_of(act.agent)))
        if self._handed is not None:
            self._handed.take(seen.label)
        return seen.events

    async def latest(self, what: MemoryType, *, of: MemoryScope = "session") -> MemoryEvent | None:
        """The newest event of a type before the run. Raises Denied, Unavailable."""
        found = await self.events(what, limit=1, of=of)
        return found[0] if found else None


class Memories:
    """The memory of whoever calls a tool, as of now: the logs of a runtime, and its agents."""

    def __init__(
        self, journal_of: Callable[[Scope], Journal], agent_of: Callable[[AgentName, Scope], AgentDef | None]
    ) -> None:
        self._journal_of, self._agent_of = journal_of, agent_of

    async def read(self, meta: CallMeta, of: MemoryScope, wanted: Wanted) -> Seen:
        """The latest events for the run that calls, what this run did included. Raises Denied, Unavailable."""
        journal = self._journal_of(meta.scope)
        state = journal.run(meta.run)
        past = whose(journal, state, meta.actor, of)
        return await journal.log.looked_back(
            partial(look_back, past, wanted, _specs_of(self._agent_of(state.agent, meta.scope)))
        )


def _specs_of(agent: AgentDef | None) -> Specs:
    tools = {} if agent is None else {name: tool.spec for name, tool in agent.tools.items()}
    return tools.get
