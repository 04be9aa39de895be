"""What nobody asked for: somebody writes to a conversation of their own accord, or begins one with a person whom a
channel can reach."""

from __future__ import annotations

from typing import Final

from lichen.channels.port import ChannelPort, Limiting, Reached, Reaching, Wanted
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Conflict, ContentErased, Invalid, LichenError, NotFound, Unavailable
from lichen.core.words.ids import AgentName, SessionId, session_stream
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.scope import Actor, Customer, Scope
from lichen.engine.engine import Engine
from lichen.engine.intake.keys import token_of
from lichen.engine.intake.request import Request
from lichen.engine.intake.sessions import Told, tell
from lichen.runtime.access.access import EVERYTHING, Access, of_session
from lichen.runtime.operations.channels.answering import answered
from lichen.runtime.operations.talk.sessions import Sessions
from lichen.runtime.operations.talk.taking import CONVERSATION_CHARACTERS_MAX
from lichen.runtime.project.project import Project

CUSTOMER_CHARACTERS_MAX: Final = 256
SUBJECT_CHARACTERS_MAX: Final = 78
LOOKED_MAX: Final = 50  # conversations of theirs in which an address is looked for


class Telling:
    """Writes to customers who did not ask. Each message passes the gate, and goes the way of an answer.

    Raises Denied (`role_missing`, `denied`, `message_refused`), Invalid, Unavailable (`outbox_full`). `label` is what
    it is made from, of an agent what its run has read. Twice under one `key` is once.
    """

    def __init__(self, engine: Engine, access: Access, project: Project | None, sessions: Sessions) -> None:
        self._engine, self._access = engine, access
        self._project, self._sessions = project, sessions

    async def tell(
        self,
        scope: Scope,
        session: SessionId,
        said: str | Saying,
        actor: Actor,
        *,
        key: str | None = None,
        label: Label = EMPTY,
    ) -> Told:
        """Says something in a session. Raises NotFound (`session_unknown`), Conflict (`session_closed`, `key_reused`,
        `window_closed` where the platform takes nothing now)."""
        journal = self._engine.journal(scope)
        await journal.log.load(session_stream(session))
        ruling = self._access.ask("session.tell", scope, actor, of_session(session))
        request = Request(self._engine, scope, actor, ruling)
        self._check_open(request, session, key)
        return await tell(request, session, Saying.of(said), key=key, label=label)

    async def begin(
        self,
        scope: Scope,
        customer: str,
        said: str | Saying,
        actor: Actor,
        *,
        key: str | None = None,
        subject: str = "",
        label: Label = EMPTY,
    ) -> Told:
        """Says something to a customer, `CHANNEL:WHO`, in the conversation that they and the channel have alone; it is
        opened where it is not. What they answer comes in there. `subject` is for channels that show one.

        Raises NotFound (`channel_unknown`, `customer_unreachable`), Conflict (`channel_answers_only` of a channel that
        begins nothing, `window_closed`, `key_reused`), ContentErased, and what the platform is asked for and refuses.
        """
        ruling = self._access.ask("session.tell", scope, actor, EVERYTHING)
        request, who, saying = Request(self._engine, scope, actor, ruling), _customer(customer), Saying.of(said)
        name, channel = who.id.partition(":")[0], self._channel(scope, who)
        token = token_of(request, key) or self._engine.services.new_id("told")
        wanted = Wanted(
            who.id.partition(":")[2], await self._last(scope, name, who), subject or _first_line(saying), token
        )
        reached = await _reached(channel, scope, wanted)
        generation = 0
        while True:
            session = await self._opened(scope, name, who, reached, actor, generation)
            try:
                self._check_open(request, session, key)
                return await tell(request, session, saying, key=key, label=label)
            except Conflict as error:
                if error.code != "session_closed":
                    raise
            generation += 1

    # -- what is looked up ---------------------------------------------------------------------------------------

    def _channel(self, scope: Scope, who: Actor) -> Reaching:
        """The channel that a customer is of. Raises NotFound (`channel_unknown`), Conflict (`channel_answers_only`),
        Unavailable (`plugin_broken`)."""
        name = who.id.partition(":")[0]
        if self._project is None:
            raise NotFound("There are no channels here.", code="channel_unknown")
        own, channel = self._project.channels.get(name, scope.tenant)
        if own != scope:
            step = f"Add --env {own.env}."
            raise NotFound("This channel is of another environment.", code="channel_unknown", next_step=step)
        if not isinstance(channel, Reaching):
            step = "Let them write first; then `lichen sessions tell SESSION TEXT` reaches them."
            raise Conflict("Of this channel people write first.", code="channel_answers_only", next_step=step)
        return channel

    async def _last(self, scope: Scope, channel: str, who: Actor) -> bytes:
        """The address of the newest conversation that somebody has on a channel; empty where they have none.

        Raises ContentErased of somebody who was erased.
        """
        journal = self._engine.journal(scope)
        subject = journal.log.pseudonym(who)
        if journal.is_erased(subject):
            raise ContentErased("This subject was erased, so nothing more is said to them.")
        await journal.log.durable()  # rows are as of the last commit
        for session in journal.log.sessions_of(subject, self._agent(scope, channel), LOOKED_MAX):
            stream = session_stream(session)
            await journal.log.load(stream)
            mailbox = journal.mailbox(session)
            if mailbox.channel == channel and mailbox.address_n is not None:
                return journal.log.contents(stream, mailbox.address_n).get("address", b"")
        return b""

    def _agent(self, scope: Scope, channel: str) -> AgentName:
        assert self._project is not None, "channels are a project's"
        return AgentName(self._project.route(scope.tenant, channel).target)

    async def _opened(
        self, scope: Scope, channel: str, who: Actor, reached: Reached, actor: Actor, generation: int
    ) -> SessionId:
        assert self._project is not None, "channels are a project's"
        route = self._project.route(scope.tenant, channel)
        session = await self._sessions.open(
            scope,
            who,
            agent=route.target,
            channel=channel,
            delivery="push",
            double_texting=route.double_texting,
            key=reached.conversation,
            generation=generation,
            address=reached.address,
            by=actor,
            team=self._project.team(scope.tenant, channel),
        )
        return session.id

    def _check_open(self, request: Request, session: SessionId, key: str | None) -> None:
        """Raises Conflict (`window_closed`) where nothing may be written now that was not written before."""
        journal, stream = request.journal, session_stream(session)
        mailbox, token = journal.mailbox(session), token_of(request, key)
        is_repeated = token is not None and journal.log.find(stream, f"message_queued/tell/{token}") is not None
        if is_repeated or mailbox.is_closed or mailbox.address_n is None or self._project is None:
            return
        try:
            _, channel = self._project.channels.get(mailbox.channel, request.scope.tenant)
        except LichenError:
            return  # of none that is there, or that works: it waits for it
        if isinstance(channel, Limiting):
            channel.check_address(request.scope, journal.log.contents(stream, mailbox.address_n)["address"])


def _customer(id: str) -> Actor:
    """The customer of this id. Raises Invalid (`customer_invalid`)."""
    name, colon, who = id.partition(":")
    if not (name and colon and who) or len(id) > CUSTOMER_CHARACTERS_MAX:
        raise Invalid(
            "A customer of a channel is called CHANNEL:WHO.",
            code="customer_invalid",
            next_step="Name them as `lichen list sessions` does, such as telegram:77.",
            place="customer",
        )
    return Customer(id)


def _first_line(saying: Saying) -> str:
    line = next(iter(saying.text.strip().splitlines()), "")
    return line if len(line) <= SUBJECT_CHARACTERS_MAX else f"{line[: SUBJECT_CHARACTERS_MAX - 1]}…"


async def _reached(channel: ChannelPort | Reaching, scope: Scope, wanted: Wanted) -> Reached:
    """Where somebody is."""
    assert isinstance(channel, Reaching)
    reached = await answered(channel.address_of(scope, wanted))
    if not 0 < len(reached.conversation) <= CONVERSATION_CHARACTERS_MAX:
        raise Unavailable("The channel names no conversation.", code="channel_failed")
    return reached
