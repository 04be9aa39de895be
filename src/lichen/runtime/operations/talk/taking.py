"""From a platform's message to a session: whose it is, what it may weigh, and that it is durable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace

from lichen.channels.platform.files import attachment_of
from lichen.channels.port import CHANNEL_DATA_BYTES_MAX, ChannelPort, Fetched, Fetching, Firing, Inbound
from lichen.core.speech.attached import FILES_BYTES_MAX, FILES_MAX
from lichen.core.words import faults
from lichen.core.words.errors import Conflict, Denied, Invalid
from lichen.core.words.ids import SessionId
from lichen.core.words.scope import CHANNEL, Actor, Scope
from lichen.engine.engine import Engine
from lichen.engine.ports import Traits, traits_of
from lichen.runtime.channels import points
from lichen.runtime.operations.talk.choosing import meant
from lichen.runtime.operations.talk.session import Session
from lichen.runtime.operations.talk.sessions import Sessions
from lichen.runtime.project.project import Project

if TYPE_CHECKING:
    from lichen.runtime.operations.timing.schedules import Schedules

CONVERSATION_CHARACTERS_MAX: Final = 256


class Taking:
    """Takes the messages of one tenant's channel, for whoever counted them."""

    def __init__(
        self,
        engine: Engine,
        project: Project,
        sessions: Sessions,
        scope: Scope,
        channel: ChannelPort,
        *,
        schedules: Callable[[], Schedules],
    ) -> None:
        self._engine, self._project, self._sessions, self._schedules = engine, project, sessions, schedules
        self._scope, self._channel = scope, channel

    async def take(self, message: Inbound, *, key: str | None = None) -> SessionId | None:
        """Says a message in the session of its conversation, whose id it returns once it is durable: the next one,
        where that was closed. None for one that is in no conversation, and begins a schedule.

        The same one again is no second message, in whichever of them it was taken; `key` is what one goes by that has
        no id. Raises Denied (`channel_actor`) for somebody the channel cannot speak for, Invalid, Conflict, TooMany,
        Unavailable.
        """
        check(self._channel, message)
        faults.hit(points.TAKEN)
        message = replace(message, envelope=await self._with_files(message), files=())
        if isinstance(self._channel, Firing) and self._channel.fires:
            await self._fire(self._channel.fires, message, message.id or key or "")
            faults.hit(points.DURABLE)
            return None
        generation = 0
        while True:
            session = await self._session(message, generation)
            faults.hit(points.OPENED)
            meaning = await self._meant(session, message, is_first=generation == 0)
            if meaning is None or await self._is_said(session, meaning, key):
                faults.hit(points.DURABLE)
                return session.id
            message = meaning if message.pressed else message  # what a button of it says is known here alone
            generation += 1

    async def _is_said(self, session: Session, message: Inbound, key: str | None) -> bool:
        """Says it; False where the session was closed before."""
        key = message.id or key
        try:
            await session.say(
                message.text,
                key=key,
                channel_data=message.data,
                data=message.envelope,
                address=message.address,
                origin=message.id or "",
            )
        except Conflict as error:
            if error.code != "session_closed":
                raise
            return False
        return True

    async def _fire(self, schedule: str, message: Inbound, key: str) -> None:
        """Begins a schedule, once for this key, with what the message says as the event of its channel."""
        name = self._channel.name
        event = {"provider": name, "id": key, "text": message.text, "path": message.path, **(message.envelope or {})}
        by = Actor("service", f"channel:{name}", (CHANNEL,), auth="system")
        key, data = f"{name}/{key}", {"event": event}
        await self._schedules().fire(self._scope, schedule, by, key=key, data=data, source=name)

    async def _meant(self, session: Session, message: Inbound, *, is_first: bool) -> Inbound | None:
        """The message with what it chooses of what was shown; None where it was taken before."""
        services = self._engine.services
        choices_max = traits_of(services.channels.get(self._channel.name), self._scope).choices_max
        if not message.pressed and choices_max >= Traits().choices_max:
            return message  # choices are buttons, which say their own words
        return await meant(session, message, choices_max=choices_max, is_first=is_first)

    async def _with_files(self, message: Inbound) -> Mapping[str, Any] | None:
        """What a planner may read beside the words, the files that lie at the platform among it.

        Raises Unavailable while one cannot be had: the platform brings the message again.
        """
        if not message.files:
            return message.envelope
        channel, said = self._channel, dict(message.envelope or {})
        if not isinstance(channel, Fetching):
            raise Invalid("This channel takes no files.", code="attachments_unsupported")
        if len(message.files) > FILES_MAX:
            raise Invalid(f"A message has at most {FILES_MAX} files.", code="attachments_too_many")
        left, attached = FILES_BYTES_MAX, list(cast("list[Any]", said.get("attachments", [])))
        for file in message.files:
            if file.size_bytes > left:
                raise Invalid("The files of this message are too large.", code="attachments_too_large")
            got = await channel.fetch(self._scope, file)
            left -= len(got.data if isinstance(got, Fetched) else got)
            attached.append(attachment_of(file, got))
        return {**said, "attachments": attached}

    async def _session(self, message: Inbound, generation: int) -> Session:
        name = self._channel.name
        route = self._project.route(self._scope.tenant, name, message.path, message.envelope or {})
        return await self._sessions.open(
            self._scope,
            message.sender,
            agent=route.target,
            channel=name,
            delivery="push",
            double_texting=route.double_texting,
            key=message.conversation,
            generation=generation,
            language=message.locale or "",
            address=message.address,
            team=self._project.team(self._scope.tenant, name),
        )


def check_actor(channel: ChannelPort, sender: Actor) -> None:
    """Raises Denied (`channel_actor`) unless it is a customer by the channel's own name for them: a package may say who
    its platform says they are, and never that they are an operator, or the customer of a key or of another channel."""
    if sender.kind != "customer" or not sender.id.startswith(f"{channel.name}:") or sender.roles:
        raise Denied(
            "A channel speaks for customers whose ids begin with its name.",
            code="channel_actor",
            next_step=f'Correct the package: `Customer("{channel.name}:...")`.',
        )


def check(channel: ChannelPort, message: Inbound) -> None:
    """Raises Denied (`channel_actor`), and Invalid (`message_invalid`) for what no conversation can be called, or is
    too much to keep."""
    check_actor(channel, message.sender)
    if not 0 < len(message.conversation) <= CONVERSATION_CHARACTERS_MAX:
        raise Invalid(
            f"A conversation has a name of at most {CONVERSATION_CHARACTERS_MAX} characters.", code="message_invalid"
        )
    if len(message.data) > CHANNEL_DATA_BYTES_MAX:
        raise Invalid(
            f"What is kept with a message has at most {CHANNEL_DATA_BYTES_MAX} bytes.", code="message_invalid"
        )
