"""What one message set going, as whoever said it follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Literal, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.answer import AnswerType
from lichen.core.words.errors import Conflict
from lichen.core.words.ids import RunId, SessionId, TurnId, root_run, run_stream, session_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.answers.replies import is_again
from lichen.engine.engine import Engine
from lichen.engine.intake.messages import Receipt
from lichen.engine.journal.seat import Watch
from lichen.engine.journal.whose import whose_session
from lichen.runtime.access.access import ALL, Access, of_run, of_session
from lichen.runtime.operations.valued import kind_of, so_far, tree_of, value_of
from lichen.runtime.views.record import RecordView, record_view, sight

_TELLING = (e.TurnOpened, e.TurnClosed, e.MessageQueued, e.WaitOpened, e.MailboxClosed)


class Reply(NamedTuple):
    """How a turn ended and what the customer was told last. `released`: the run waits for somebody else. `refused`:
    policy did not let it start, so there is no such run. `handed`: it goes to the person whom this run asked for.
    `value` is the answer in Python where it has a type, else None."""

    text: str
    outcome: Literal["answered", "released", "failed", "cancelled", "asked", "refused", "handed"]
    run: RunId
    value: Any = None


class Turn:
    """A message that was taken, and what comes of it. Nothing is kept of it before somebody awaits that."""

    def __init__(
        self,
        access: Access,
        engine: Engine,
        scope: Scope,
        session: SessionId,
        actor: Actor,
        *,
        receipt: Receipt,
        wanted: AnswerType | None = None,
    ) -> None:
        self.receipt = receipt
        self.scope = scope
        self.actor = actor
        self._access = access
        self._engine = engine
        self._journal = engine.journal(scope)
        self._wanted = wanted
        self._session = session
        self._stream = session_stream(session)
        self._watch: Watch | None = None
        self._seen: list[e.Event] = []

    @property
    def disposition(self) -> str:
        """`queued`, `joined`, `answered`, `rejected` or `handed`."""
        return self.receipt.disposition

    async def run(self) -> RunId:
        """The run that has this turn, as soon as there is one.

        Raises Conflict when there never will be one: the message was refused because another one is being worked on
        (`message_rejected`), or its session was closed before its turn came (`session_closed`).
        """
        self._ask()
        return (await self._opened())[0]

    async def result(self) -> Reply:
        """The reply, once durable: the answer, or what the customer is told while the run waits for somebody else.

        Raises Conflict as `run` does.
        """
        self._ask()
        self._access.hear(self.scope, self.actor, of_session(self._session))
        run, index = await self._opened()
        reply = Reply("", "handed", run) if index is None else await self._reply(run, index)
        await self._journal.durable(session=self._session)
        if reply.outcome != "answered" or not self._may_be_typed():
            return reply
        return reply._replace(value=value_of(self._engine, self.scope, run, self._wanted))

    async def told(self) -> tuple[str, ...]:
        """All that was said to the customer since the message, as far as `result` followed it, once durable. Raises
        Denied."""
        self._ask()
        self._access.hear(self.scope, self.actor, of_session(self._session))
        contents = self._journal.log.contents
        await self._journal.durable(session=self._session)
        queued = [each.n for each in self._seen if isinstance(each.control, e.MessageQueued)]
        return tuple(contents(self._stream, n)["text"].decode() for n in queued)

    def _may_be_typed(self) -> bool:
        """Whether the answer may have a type: a run without one is not looked up again once it is over."""
        agent = self._engine.services.agents.get(
            self._journal.mailbox(self._session).agent, self.scope, whose_session(self._journal, self._session)
        )
        if self._wanted is not None or agent is None:
            return self._wanted is not None
        return agent.answers is not None or any(tool.spec.role == "terminal" for tool in agent.tools.values())

    async def partials(self) -> AsyncGenerator[Any]:
        """What there is so far of an answer that has a type, as JSON has it, each time there is more; then all of it.

        Nothing comes before the end where policy might yet keep the message back. Ends with the turn; raises as `run`
        does.
        """
        self._ask()
        self._access.hear(self.scope, self.actor, of_session(self._session))
        run, shown = (await self._opened())[0], None
        kind = kind_of(self._engine, self.scope, run, self._wanted)
        deltas = self._engine.services.deltas
        turn = Turn(self._access, self._engine, self.scope, self._session, self.actor, receipt=self.receipt)
        ended = asyncio.ensure_future(turn.result())
        try:
            while not ended.done():
                more = deltas.changed(self.scope, self._session)
                partial = deltas.speaking(self.scope, self._session)
                tree = None if partial is None or root_run(partial.run) != run else so_far(partial.text, kind)
                if tree is not None and tree != shown:
                    shown = tree
                    yield tree
                await asyncio.wait({ended, more}, return_when=asyncio.FIRST_COMPLETED)
                more.cancel()
            last = tree_of(self._engine, self.scope, run) if (await ended).outcome == "answered" else None
            if last is not None and last != shown:
                yield last
        finally:
            ended.cancel()

    async def _opened(self) -> tuple[RunId, int | None]:
        """The run, and how many of the session's events lie before its turn. None where the message goes to the
        person that a run asked for, also because the conversation was handed over before its turn came."""
        if self.receipt.run is not None and self.receipt.disposition == "handed":
            return root_run(self.receipt.run), None
        if self.receipt.run is not None:
            return root_run(self.receipt.run), 0
        if self.receipt.disposition == "rejected":
            raise _rejected()
        index = 0
        while True:
            control = (await self._event(index)).control
            if isinstance(control, e.TurnOpened) and self.receipt.message in control.messages:
                return control.run, index
            if isinstance(control, e.WaitOpened) and control.kind == "handover":
                return root_run(control.run), None
            if isinstance(control, e.MailboxClosed):
                raise _closed()
            index += 1

    async def _reply(self, run: RunId, index: int) -> Reply:
        text, turn = "", None
        while True:
            event = await self._event(index)
            index, control = index + 1, event.control
            if isinstance(control, e.TurnOpened) and control.run == run:
                turn = control.turn
            elif isinstance(control, e.MessageQueued) and _is_of(control, run, turn):
                text = self._journal.log.contents(self._stream, event.n)["text"].decode()
                if is_again(control):
                    return Reply(text, "asked", run)
            elif isinstance(control, e.TurnClosed) and control.run == run:
                return Reply(text, self._outcome(run) if control.outcome == "ended" else control.outcome, run)
            elif isinstance(control, e.WaitOpened) and root_run(control.run) == run:
                return Reply(text, "asked", run)

    async def _event(self, index: int) -> e.Event:
        """An event of the session since the message, of those that matter here, as soon as there is one."""
        if self._watch is None:
            self._watch = self._journal.watch(self._stream, *_TELLING, from_n=self.receipt.n + 1)
        while len(self._seen) <= index:
            self._seen.append(await self._watch.next())
        return self._seen[index]

    def _outcome(self, run: RunId) -> Literal["answered", "failed", "cancelled"]:
        state = self._journal.run(run)
        return "cancelled" if state.cancel else "failed" if state.failure else "answered"

    async def records(self) -> AsyncIterator[RecordView]:
        """Every record of the run and its session since the message: those that are there, then as they happen.

        They hold what operators may read and customers not. Ends when the turn does, or when the run waits.
        """
        runs = msgspec.structs.replace(of_session(self._session), resource=ALL)
        self._access.ask("run.read", self.scope, self.actor, runs)
        run = await self.run()
        self._access.look("run.read", self.scope, self.actor, of_run(run), what="feed")
        log = self._journal.log
        after = log.position(self._stream, self.receipt.n) - 1
        async for entry in log.follow(after, streams=(self._stream, run_stream(run))):
            self._access.ask("run.read", self.scope, self.actor, of_run(run))
            sees = self._access.sees(self.scope, self.actor, of_run(run))
            yield record_view(log, entry, sight(sees))
            if entry.stream == self._stream and _ends(entry.control, run):
                return

    def _ask(self) -> None:
        self._access.ask("session.read", self.scope, self.actor, of_session(self._session))


def _rejected() -> Conflict:
    return Conflict(
        "The message was not taken: an earlier one is still being worked on.",
        code="message_rejected",
        next_step="Say it again when that one is answered; the customer was told so.",
    )


def _closed() -> Conflict:
    return Conflict(
        "The session was closed before this message had its turn.",
        code="session_closed",
        next_step="Open a new session.",
    )


def _ends(control: e.Control, run: RunId) -> bool:
    """Whether the customer is to speak next, by a record of their session."""
    ends = isinstance(control, (e.TurnClosed, e.WaitOpened)) and root_run(control.run) == run
    return ends or (isinstance(control, e.MessageQueued) and _is_of(control, run, None) and is_again(control))


def _is_of(queued: e.MessageQueued, run: RunId, turn: TurnId | None) -> bool:
    """Whether the message comes of this run, or of the turn that it did not get."""
    return root_run(queued.run) == run if queued.run else turn is not None and queued.turn == turn
