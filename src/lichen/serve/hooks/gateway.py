"""From a platform to the runtime: each message is counted and taken; what cannot be taken is a dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lichen.channels.port import Arrival, ChannelPort, Inbound, Report, Reporting, Typing
from lichen.core.words.errors import Conflict, Denied, Expired, Invalid, LichenError, NotFound
from lichen.core.words.ids import SessionId
from lichen.core.words.scope import Actor, Scope
from lichen.engine.letters import dead, deliveries
from lichen.runtime.channels.kept import Kept, encoded
from lichen.runtime.operations.talk.taking import Taking, check
from lichen.runtime.runtime import Runtime
from lichen.serve.hooks.composing import Composing
from lichen.serve.http.messages import Messages

REPORTS_MAX: Final = 1_000  # of one request
FOR_GOOD: Final = (Invalid, NotFound, Denied, Conflict, Expired)
"""What is refused with one of these would be refused again."""


class Mailroom:
    """Takes the messages of one tenant's channel. Implements `Gateway` and `Noting`."""

    def __init__(
        self,
        runtime: Runtime,
        scope: Scope,
        channel: ChannelPort,
        messages: Messages,
        composing: Composing | None = None,
    ) -> None:
        self._composing = composing
        assert runtime.project is not None, "channels are a project's"
        self._journal = runtime.engine.journal(scope)
        self._scope, self._channel, self._messages = scope, channel, messages
        self._taking = Taking(runtime.engine, runtime.project, runtime.sessions, scope, channel)

    async def take(self, message: Inbound) -> None:
        """Says a message in the session of its conversation; returns once it is durable, there or as a dead letter.

        The same one again is no second message. Raises TooMany, Unavailable.
        """
        await self.taken(message, Kept(message=message, path=message.path))

    async def take_all(self, messages: Sequence[Inbound], arrival: Arrival, sender: Actor | None, path: str) -> None:
        """Takes all messages of a request that can be taken, and then raises what the first was refused with that may
        come again: a platform that sends the whole request again brings nothing twice."""
        refused: list[LichenError] = []
        for at, message in enumerate(messages):
            try:
                await self.taken(message, Kept(arrival, sender, message, at, path))
            except LichenError as error:
                refused.append(error)
        if refused:
            raise refused[0]

    async def taken(self, message: Inbound, kept: Kept) -> None:
        """As `take`; `kept` is what a letter holds of it."""
        try:
            check(self._channel, message)
            size = len(message.text.encode()) + len(message.data)
            # A platform has few addresses for all its customers: each customer counts as one of their own.
            self._messages.take(self._scope, message.sender.id, conversation=message.conversation, size=size)
            session = await self._taking.take(message)
        except FOR_GOOD as error:
            await self.bury(kept, error)
        else:
            self._compose(session, message.address)

    def _compose(self, session: SessionId, address: bytes) -> None:
        """Shows that an answer is being written, as long as one is owed."""

        def is_owed() -> bool:
            return self._journal.mailbox(session).is_owing_customer

        if self._composing is not None and isinstance(self._channel, Typing):
            self._composing.begin(self._channel, self._scope, address, of=session, is_owed=is_owed)

    async def bury(self, kept: Kept, error: LichenError) -> None:
        """Keeps what cannot be taken, until a person has it taken or puts it away. Raises Unavailable."""
        message = kept.message
        sender = kept.sender if message is None else message.sender
        known = sender if sender is not None and sender.kind == "customer" and not sender.roles else None
        letter = dead.Letter(
            self._channel.name,
            kept.same,
            error.code,
            error.message,
            encoded(kept),
            "" if message is None else message.conversation,
            known,
        )
        await dead.put(self._journal, letter)

    async def reported(self, arrival: Arrival) -> None:
        """Notes what the platform says became of messages that it was handed. Raises Invalid, Unavailable."""
        if not isinstance(self._channel, Reporting):
            return
        reports: tuple[Report, ...] = self._channel.reports(self._scope, arrival)
        if len(reports) > REPORTS_MAX:
            raise Invalid(f"A request brings at most {REPORTS_MAX} reports.", code="reports_too_many")
        for each in reports:
            await self.note(each)

    async def note(self, report: Report) -> None:
        """Notes what the platform says became of one message. Raises Unavailable."""
        name, session = self._channel.name, SessionId(report.session)
        await deliveries.reported(self._journal, name, session, report.message, report.outcome, report.code)
