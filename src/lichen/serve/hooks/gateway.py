"""From a platform to the runtime: each message is counted and taken; what cannot be taken is a dead letter."""

from __future__ import annotations

from lichen.channels.port import ChannelPort, Inbound, Report, Typing
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import SessionId
from lichen.core.words.scope import Scope
from lichen.engine.letters import dead, deliveries
from lichen.runtime.channels.kept import Kept, encoded
from lichen.runtime.operations.talk.taking import Taking
from lichen.runtime.runtime import Runtime
from lichen.serve.hooks.composing import Composing
from lichen.serve.hooks.room import Room
from lichen.serve.http.messages import Messages


class Mailroom(Room):
    """Puts what comes by one tenant's channel into its log."""

    def __init__(
        self,
        runtime: Runtime,
        scope: Scope,
        channel: ChannelPort,
        messages: Messages,
        composing: Composing | None = None,
    ) -> None:
        super().__init__(scope, channel)
        self._composing = composing
        assert runtime.project is not None, "channels are a project's"
        self._journal = runtime.engine.journal(scope)
        self._messages = messages
        self._taking = Taking(
            runtime.engine, runtime.project, runtime.sessions, scope, channel, schedules=lambda: runtime.schedules
        )

    async def put(self, message: Inbound) -> None:
        """Says a message in the session of its conversation, or begins what it is an event for. Raises LichenError."""
        size = len(message.text.encode()) + len(message.data)
        # A platform has few addresses for all its customers: each customer counts as one of their own.
        self._messages.take(self._scope, message.sender.id, conversation=message.conversation, size=size)
        session = await self._taking.take(message)
        if session is not None:
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

    async def note(self, report: Report) -> None:
        """Notes what the platform says became of one message. Raises Unavailable."""
        name, session = self._channel.name, SessionId(report.session)
        await deliveries.reported(self._journal, name, session, report.message, report.outcome, report.code)
