"""One conversation as somebody holds it: what they say, what they have not received, what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.answer import AnswerType
from lichen.core.ports.overrides import NONE, Overrides
from lichen.core.speech import saying
from lichen.core.speech.attached import part
from lichen.core.speech.saying import Attachment, Format
from lichen.core.words.ids import MessageId, RunId, SessionId, run_stream, session_stream
from lichen.core.words.scope import Actor, Scope
from lichen.core.words.wait import WaitKind
from lichen.engine.answers.attached import taken
from lichen.engine.brief.attached import unknown
from lichen.engine.engine import Engine
from lichen.engine.intake.labels import declassify
from lichen.engine.intake.messages import Coming, Receipt, read, say
from lichen.engine.intake.messages import taken as taken_under
from lichen.engine.intake.request import Request
from lichen.engine.intake.sessions import close_session
from lichen.engine.journal.journal import Journal
from lichen.gate.rules.schema import Action
from lichen.log.projections.costs import session_key
from lichen.runtime.access.access import Access, of_session
from lichen.runtime.operations.talk import artifacts
from lichen.runtime.operations.talk.conversation import Conversation
from lichen.runtime.operations.talk.turn import Turn
from lichen.runtime.operations.valued import schema_of
from lichen.runtime.views.models.costs import SessionCost, session_cost
from lichen.runtime.views.record import RecordView, Sight, record_view, sight
from lichen.runtime.views.session import (
    SentFile,
    SessionDetail,
    SessionSummary,
    files_of,
    session_detail,
    session_summary,
)
from lichen.tools.arguments.answer import answer_type


class Outgoing(msgspec.Struct, frozen=True):
    """A message to the customer. Its id never changes, so a reader can tell a repeated one."""

    id: MessageId
    kind: str
    text: str
    run: RunId | None
    queued_at_us: int
    card: Mapping[str, Any] | None = None
    attachments: tuple[Attachment, ...] = ()
    format: Format = "plain"


class Asked(msgspec.Struct, frozen=True):
    """What the customer is asked now: the wait's id in its scope, its kind, and the JSON Schema that an answer has to
    fit, empty where words are."""

    id: str
    kind: WaitKind
    answer_schema: Mapping[str, Any]


class NewMessage(NamedTuple):
    """Something that is to be said in a session; what each part of it is, `Session.say` says."""

    session: Session
    text: str
    key: str | None = None
    channel_data: bytes = b""
    data: Any = None
    address: bytes = b""
    origin: str = ""


class Session:
    """One conversation. Messages of one session are handled in order, one turn at a time.

    `Sessions` makes one for whoever may have it; each thing done with it is asked for again.
    """

    def __init__(
        self,
        access: Access,
        engine: Engine,
        scope: Scope,
        id: SessionId,
        actor: Actor,
        *,
        is_new: bool = False,
    ) -> None:
        self.id = id
        self.is_new = is_new  # whether this handle came of opening it
        self.scope = scope
        self.actor = actor
        self._access = access
        self._engine = engine
        self._journal = engine.journal(scope)
        self._stream = session_stream(id)
        self.conversation = Conversation(access, self._journal, engine.services.deltas, id, actor)
        self._shown_n: int | None = None  # how many records there were when it was looked what is pending

    async def say(
        self,
        text: str,
        *,
        key: str | None = None,
        channel_data: bytes = b"",
        data: Any = None,
        address: bytes = b"",
        origin: str = "",
    ) -> Turn:
        """Takes one message; returns, once it is durable, the turn it opens, joins or continues.

        `channel_data` is kept with it for the channel it came through. `data`, any JSON, goes to the planner with the
        words; files in it, `attachments` whose `contentUrl` is a `data:` URL, are kept with the message, and the data
        refers to them. `address` is where the channel pushes replies to from now on, `origin` what the platform calls
        the message.

        Raises Invalid (`message_empty`, `message_too_large`, `input_too_large`, `address_too_large`,
        `attachment_invalid`, `attachment_mismatch`, `attachments_too_many`, `attachments_too_large`), NotFound,
        Conflict, Denied, TooMany (`file_bytes`), Unavailable.
        """
        message = NewMessage(self, text, key, channel_data, data, address, origin)
        receipt = await say(await self.prepared(message))
        return self._turn(receipt)

    async def ask(
        self,
        text: str,
        *,
        answers: Any = None,
        overrides: Overrides = NONE,
        key: str | None = None,
        data: Any = None,
    ) -> Turn:
        """Takes one message that has a turn of its own. `answers` is what its answer has to be, whatever the agent
        gives as a rule: any type that pydantic knows, or a JSON Schema; the turn's result then has it as `value`.
        `overrides` leave the turn's run fewer tools and narrower limits than its agent has.

        Raises as `say` does, Conflict (`session_busy`) where the message would join or answer what goes on, and Invalid
        for a type that JSON cannot hold (`tool_invalid`), one that is made of itself (`answer_schema_invalid`), and
        overrides that leave nothing (`overrides_invalid`).
        """
        wanted = None if answers is None else answer_type(answers)
        await self._journal.log.load(self._stream)
        request = self._request("session.say")
        schema = b"" if wanted is None else schema_of(wanted)
        data, files = await taken(self._engine.services, self._journal, data)
        said = read(text, key=key, data=data, schema=schema, overrides=overrides, files=files)
        return self._turn(await say(Coming(request, self.id, said)), wanted)

    async def taken(self, key: str) -> Turn | None:
        """What the message set going that was said under this key; None where none was. Says nothing itself.

        Raises Invalid (`key_invalid`), Denied.
        """
        await self._journal.log.load(self._stream)
        receipt = taken_under(self._request("session.read"), self.id, key)
        return None if receipt is None else self._turn(receipt)

    def _turn(self, receipt: Receipt, wanted: AnswerType | None = None) -> Turn:
        return Turn(self._access, self._engine, self.scope, self.id, self.actor, receipt=receipt, wanted=wanted)

    async def prepared(self, message: NewMessage) -> Coming:
        """A message that may be said in this session, read and bounded. Raises as `say`, but for what is appended."""
        await self._journal.log.load(self._stream)
        request = self._request("session.say")
        _, text, key, channel_data, data, address, origin = message
        data, files = await taken(self._engine.services, self._journal, data)
        said = read(text, key=key, channel_data=channel_data, data=data, address=address, files=files, origin=origin)
        return Coming(request, self.id, said)

    async def close(self) -> None:
        """Takes no further message and cancels the open turn."""
        await close_session(self._request("session.close"), self.id)

    async def declassify(self, sources: Sequence[str], *, reason: str) -> None:
        """Lets what was said so far go without these sources of its label in the turns to come.

        Raises Invalid (`sources_unknown`, `reason_missing`).
        """
        request = self._request("session.declassify")
        await declassify(request, tuple(sources), reason=reason, session=self.id)

    def is_owing(self) -> bool:
        """Whether something the customer said is not dealt with. An open approval is not owed, a question neither."""
        self._ask("session.read")
        return self._journal.mailbox(self.id).is_owing_customer

    def asked(self) -> Asked | None:
        """The question that the customer's next words answer, if there is one."""
        self._ask("session.read")
        questions = self._journal.mailbox(self.id).questions
        if not questions:
            return None
        run, wait = questions[-1].run, self._journal.run(questions[-1].run).waits.get(questions[-1].wait)
        if wait is None:
            return None
        contents = self._journal.log.contents(run_stream(run), wait.n)
        schema = msgspec.json.decode(contents.get("schema", b"{}"), type=dict[str, Any])
        return Asked(f"{run}.{wait.id}", wait.kind, schema)

    async def pending(self) -> tuple[Outgoing, ...]:
        """Messages the customer has not received, oldest first, once durable. Each counts as attempted.

        They are for the customer, channels, and whoever may read contents. Raises Denied.
        """
        self._ask("session.read")
        self._access.hear(self.scope, self.actor, of_session(self.id))
        mailbox = self._journal.mailbox(self.id)
        attempted = tuple(
            e.Draft(e.DeliveryAttempted(out.message, out.attempt))
            for out in mailbox.outbox.values()
            if not out.is_in_flight
        )
        if attempted:
            self._journal.append({self._stream: attempted})
        self._shown_n = self._journal.mailbox(self.id).n
        await self._journal.durable(session=self.id)
        return tuple(self._outgoing(out.message, out.n) for out in mailbox.outbox.values())

    def _outgoing(self, message: MessageId, n: int) -> Outgoing:
        event = self._journal.log.event(self._stream, n)
        control = event.control
        assert isinstance(control, e.MessageQueued)
        said = saying.read(self._journal.log.contents(self._stream, n))
        shown = (said.card, said.attachments, said.format)
        return Outgoing(message, control.kind, said.text, control.run, event.ts_us, *shown)

    async def delivered(self, message: MessageId) -> None:
        """The customer has this message. Saying so twice is no error."""
        self._ask("session.read")
        out = self._journal.mailbox(self.id).outbox.get(message)
        if out is not None:
            settled = e.DeliverySettled(message, out.attempt, "delivered")
            self._journal.append({self._stream: (e.Draft(settled),)})
        await self._journal.durable(session=self.id)

    def summary(self) -> SessionSummary:
        """The session in one line."""
        self._ask("session.read")
        return summary(self._journal, self.id)

    def records(self, after: int = 0) -> tuple[RecordView, ...]:
        """The session's own records from number `after` on, contents opened for whoever may read them."""
        log, sees = self._journal.log, self._look()
        return tuple(record_view(log, record, sees) for record in log.records(self._stream, after))

    async def file(self, n: int, i: int) -> SentFile:
        """A file that came with a message: number `i` of record `n` of the session.

        It is for whom words are for: the customer, channels, and whoever may read contents. Raises NotFound
        (`attachment_unknown`, `content_erased`), Denied.
        """
        self._open()
        log = self._journal.log
        control = log.event(self._stream, n).control if 0 <= n < self._journal.mailbox(self.id).n else None
        if not isinstance(control, e.MessageReceived) or not 0 <= i < len(control.attachments):
            raise unknown()
        found = files_of(n, control, log.contents(self._stream, n))[i]
        await self._journal.durable(session=self.id)
        return SentFile(found.name, found.media_type, await log.content(self._stream, n, part(i)))

    async def artifact(self, n: int, i: int) -> SentFile:
        """What a tool gave for people's eyes: number `i` of those beside the answer that is record `n` of the session.

        It is for whom files are for. Raises NotFound (`artifact_unknown`, `content_erased`), Denied.
        """
        self._open()
        return await artifacts.read(self._journal, self.id, n, i)

    def _open(self) -> None:
        """Raises Denied for whom what was said here is not for; that they have it is noted."""
        about = of_session(self.id)
        self._ask("session.read")
        self._access.hear(self.scope, self.actor, about)
        self._access.open("session.read", self.scope, self.actor, about, what="session")

    async def detail(self) -> SessionDetail:
        """The session and the last messages of it, in the order they came and went."""
        log, sees = self._journal.log, self._look()
        records = await log.all_records(self._stream)
        return session_detail(log, self._journal.mailbox(self.id), records, self._cost(), sees)

    def _cost(self) -> SessionCost | None:
        """What the session cost; None for its customer."""
        if self.actor.kind == "customer":
            return None
        log, budgets = self._journal.log, self._engine.services.budgets(self.scope)
        return session_cost(log.talked_rows(self.id), log.spent(session_key(self.id)), budgets)

    async def changed(self) -> None:
        """Returns after the next record of the session: the next since `pending` was asked, if it was."""
        self._ask("session.read")
        shown_n, self._shown_n = self._shown_n, None
        await self._journal.watch(self._stream, from_n=shown_n).next()

    async def news(self) -> None:
        """Returns once there is a message the customer has not received, or what was owed is dealt with."""
        self._ask("session.read")
        watch, mailbox = self._journal.watch(self._stream), self._journal.mailbox(self.id)
        was_owing = mailbox.is_owing_customer
        while not mailbox.outbox and mailbox.is_owing_customer == was_owing:
            await watch.next()
            mailbox = self._journal.mailbox(self.id)

    def _look(self) -> Sight:
        return sight(self._access.look("session.read", self.scope, self.actor, of_session(self.id), what="session"))

    def _request(self, action: Action) -> Request:
        """A request for something that is allowed."""
        return Request(self._engine, self.scope, self.actor, self._ask(action))

    def _ask(self, action: Action) -> e.Ruling:
        return self._access.ask(action, self.scope, self.actor, of_session(self.id))


def summary(journal: Journal, id: SessionId) -> SessionSummary:
    """A session in one line."""
    mailbox, log, stream = journal.mailbox(id), journal.log, session_stream(id)
    return session_summary(mailbox, log.record(stream, 0), log.record(stream, mailbox.n - 1))
