"""Conversations as users hold them: a session, a turn, what was said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from lichen.core import events as e
from lichen.core.ids import AgentName, MessageId, RunId, SessionId, StreamId, root_run, run_stream, session_stream
from lichen.core.scope import Actor, Scope
from lichen.engine.intake import Intake, Receipt
from lichen.engine.journal import Journal, Watch
from lichen.engine.local import LocalEngine
from lichen.log.erasures import Erased
from lichen.runtime.records import RecordView, view

TRANSCRIPT_MAX = 200
_SPOKEN = (e.MessageReceived, e.MessageQueued)


class Outgoing(msgspec.Struct, frozen=True):
    """A message to the customer. Its id never changes, so a reader can tell a repeated one."""

    id: MessageId
    kind: str
    text: str
    run: RunId | None
    queued_at_us: int


class SessionSummary(msgspec.Struct, frozen=True):
    """One line of a list. `customer` is the pseudonym of who talks; `status` is `open` or `closed`."""

    id: SessionId
    agent: str
    customer: str
    status: str
    opened_at_us: int
    first_seq: int


class Said(msgspec.Struct, frozen=True):
    """One message of a conversation. `text` is None once it was erased; `kind` says what it is to its reader."""

    id: MessageId
    role: Literal["customer", "agent"]
    kind: str
    text: str | None
    run: RunId | None
    at_us: int


class SessionDetail(msgspec.Struct, frozen=True):
    """A session and the last of what was said, oldest first. `earlier` says how much was said before that."""

    id: SessionId
    agent: str
    channel: str
    customer: str
    status: str
    is_owing: bool
    earlier: int
    transcript: tuple[Said, ...]


class Reply(NamedTuple):
    """How a turn ended and what the customer was told last. `released`: the run waits for somebody else."""

    text: str
    outcome: Literal["answered", "released", "failed", "cancelled", "asked"]
    run: RunId


class Sessions:
    """Opens sessions."""

    def __init__(self, engine: LocalEngine, intake: Intake, agents: tuple[AgentName, ...]) -> None:
        self._engine = engine
        self._intake = intake
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
        attributes: Mapping[str, str] = {},
        language: str = "",
    ) -> Session:
        """A session of `actor` with an agent (may be left out when the runtime has one).

        `language` is what the customer wants, a tag or a list as Accept-Language has it. The session is held in one
        that the tenant speaks, for good.

        `delivery="push"` sends replies through the runtime's channel of this name; else they are fetched.
        With a `key` it is always the same session for this actor, agent and channel. `attributes` reach the planner
        and the tools of every run of the session.
        Raises NotFound (`agent_unknown`), Invalid (`attributes_invalid`), Denied, Unavailable.
        """
        name = AgentName(agent or (self._agents[0] if len(self._agents) == 1 else ""))
        id = await self._intake.open_session(
            scope,
            actor,
            agent=name,
            channel=channel,
            delivery=delivery,
            double_texting=double_texting,
            key=key,
            attributes=attributes,
            language=language,
        )
        return Session(self._engine, self._intake, scope, id, actor)

    def list(
        self, scope: Scope, *, limit: int = 100, before: int | None = None, agent: str | None = None
    ) -> tuple[SessionSummary, ...]:
        """The newest sessions first. `before` is the `first_seq` of the last session of the page before."""
        rows = self._engine.journal(scope).log.stream_rows("session", limit, before, agent=agent)
        return tuple(
            SessionSummary(SessionId(r.id), r.agent, r.subject, r.outcome or "open", r.started_us, r.first_seq)
            for r in rows
        )

    def get(self, scope: Scope, session: SessionId, actor: Actor) -> Session:
        """An existing session, as `actor` may see it. Operations raise NotFound if there is none."""
        return Session(self._engine, self._intake, scope, session, actor)


class Session:
    """One conversation. Messages of one session are handled in order, one turn at a time."""

    def __init__(self, engine: LocalEngine, intake: Intake, scope: Scope, id: SessionId, actor: Actor) -> None:
        self.id = id
        self.scope = scope
        self.actor = actor
        self._intake = intake
        self._journal = engine.journal(scope)
        self._stream = session_stream(id)

    async def say(self, text: str, *, key: str | None = None, channel_data: bytes = b"", data: Any = None) -> Turn:
        """Takes one message; returns, once it is durable, the turn it opens, joins or continues.

        `channel_data` is kept with it for the channel it came through. `data`, any JSON, goes to the planner with the
        words.

        Raises Invalid (`message_empty`, `message_too_large`, `input_too_large`), NotFound, Conflict, Unavailable.
        """
        watch = self._journal.watch(self._stream)
        receipt = await self._intake.say(
            self.scope, self.id, text, self.actor, key=key, channel_data=channel_data, data=data
        )
        if receipt.is_repeated:
            watch = self._journal.watch(self._stream)
            watch.offer(self._journal.events(self._stream, receipt.n + 1))
        return Turn(self._journal, self._stream, receipt, watch)

    async def close(self) -> None:
        """Takes no further message and cancels the open turn."""
        await self._intake.close_session(self.scope, self.id, self.actor)

    @property
    def is_owing(self) -> bool:
        """Whether something the customer said is not dealt with. An open approval is not owed, a question neither."""
        return self._journal.mailbox(self.id).is_owing_customer

    async def pending(self) -> tuple[Outgoing, ...]:
        """Messages the customer has not received, oldest first, once durable. Each counts as attempted."""
        mailbox = self._journal.mailbox(self.id)
        attempted = tuple(
            e.Draft(e.DeliveryAttempted(out.message, out.attempt))
            for out in mailbox.outbox.values()
            if not out.is_in_flight
        )
        if attempted:
            self._journal.append({self._stream: attempted})
        await self._journal.log.durable_stream(self._stream)
        return tuple(self._outgoing(out.message, out.n) for out in mailbox.outbox.values())

    def _outgoing(self, message: MessageId, n: int) -> Outgoing:
        event = self._journal.log.event(self._stream, n)
        control = event.control
        assert isinstance(control, e.MessageQueued)
        text = self._journal.log.contents(self._stream, n)["text"].decode()
        return Outgoing(message, control.kind, text, control.run, event.ts_us)

    async def delivered(self, message: MessageId) -> None:
        """The customer has this message. Saying so twice is no error."""
        out = self._journal.mailbox(self.id).outbox.get(message)
        if out is not None:
            settled = e.DeliverySettled(message, out.attempt, "delivered")
            self._journal.append({self._stream: (e.Draft(settled),)})
        await self._journal.log.durable_stream(self._stream)

    def detail(self) -> SessionDetail:
        """The session and the last messages of it, in the order they came and went."""
        mailbox = self._journal.mailbox(self.id)
        spoken = [event for event in self._journal.log.events(self._stream) if isinstance(event.control, _SPOKEN)]
        return SessionDetail(
            id=self.id,
            agent=mailbox.agent,
            channel=mailbox.channel,
            customer=mailbox.subject,
            status=mailbox.outcome or "open",
            is_owing=mailbox.is_owing_customer,
            earlier=max(0, len(spoken) - TRANSCRIPT_MAX),
            transcript=tuple(self._said(event) for event in spoken[-TRANSCRIPT_MAX:]),
        )

    def _said(self, event: e.Event) -> Said:
        control = event.control
        text = self._text(event.n)
        if isinstance(control, e.MessageReceived):
            return Said(control.message, "customer", control.disposition, text, control.run, event.ts_us)
        assert isinstance(control, e.MessageQueued)
        return Said(control.message, "agent", control.kind, text, control.run, event.ts_us)

    def _text(self, n: int) -> str | None:
        try:
            return self._journal.log.contents(self._stream, n).get("text", b"").decode()
        except Erased:
            return None

    async def changed(self) -> None:
        """Returns after the next record of the session."""
        await self._journal.changed(self._stream, self._journal.mailbox(self.id).n)


class Turn:
    """What one message set going."""

    def __init__(self, journal: Journal, stream: StreamId, receipt: Receipt, watch: Watch) -> None:
        self.receipt = receipt
        self._journal = journal
        self._stream = stream
        self._watch = watch
        self._seen: list[e.Event] = []

    @property
    def disposition(self) -> str:
        """`queued`, `joined`, `answered` or `rejected`."""
        return self.receipt.disposition

    async def run(self) -> RunId:
        """The run that has this turn, as soon as there is one."""
        if self.receipt.run is not None:
            return root_run(self.receipt.run)
        async for event in self._events():
            control = event.control
            if isinstance(control, e.TurnOpened) and self.receipt.message in control.messages:
                return control.run
        raise AssertionError("the session's events never end")

    async def result(self) -> Reply:
        """The reply, once durable: the answer, or what the customer is told while the run waits for somebody else."""
        reply = await self._reply(await self.run())
        await self._journal.log.durable_stream(self._stream)
        return reply

    async def _reply(self, run: RunId) -> Reply:
        text = ""
        async for event in self._events():
            control = event.control
            if isinstance(control, e.MessageQueued) and control.run and root_run(control.run) == run:
                text = self._journal.log.contents(self._stream, event.n)["text"].decode()
            elif isinstance(control, e.TurnClosed) and control.run == run:
                return Reply(text, self._outcome(run) if control.outcome == "ended" else control.outcome, run)
            elif isinstance(control, e.WaitOpened) and root_run(control.run) == run:
                return Reply(text, "asked", run)
        raise AssertionError("the session's events never end")

    def _outcome(self, run: RunId) -> Literal["answered", "failed", "cancelled"]:
        state = self._journal.run(run)
        return "cancelled" if state.cancel else "failed" if state.failure else "answered"

    async def events(self) -> AsyncIterator[RecordView]:
        """Every record of the run and its session since the message: those that are there, then as they happen.

        Ends when the turn does, or when the run waits.
        """
        run = await self.run()
        log = self._journal.log
        after = log.position(self._stream, self.receipt.n) - 1
        async for entry in log.follow(after, streams=(self._stream, run_stream(run))):
            yield view(log, entry)
            control = entry.control
            if (
                isinstance(control, (e.TurnClosed, e.WaitOpened))
                and root_run(control.run) == run
                and entry.stream == self._stream
            ):
                return

    async def _events(self) -> AsyncIterator[e.Event]:
        """The session's events since the message: those seen before, then as they come."""
        for event in tuple(self._seen):
            yield event
        while True:
            event = await self._watch.next()
            if event.n > self.receipt.n:
                self._seen.append(event)
                yield event
