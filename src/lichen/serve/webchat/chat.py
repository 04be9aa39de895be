"""The web chat of one tenant, over a runtime: its tokens, its conversations, and how often it may be asked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final
from weakref import WeakValueDictionary

from lichen.channels.tokens import DECLARED, Tokens, Visitor
from lichen.channels.webchat import NAME, WebChatChannel
from lichen.core.speech.wording import Greeting
from lichen.core.words.errors import Denied, NotFound
from lichen.core.words.scope import Scope
from lichen.runtime.access.register import Key, Name, Person
from lichen.runtime.operations.talk.sessions import Session
from lichen.runtime.runtime import Runtime
from lichen.serve.http.messages import Messages
from lichen.serve.webchat.limits import Windows
from lichen.settings import WebChat

SESSIONS_MAX = 10_000  # remembered of one tenant
_KEY: Final = b"\xffwebchat/token/1/"  # no text begins with this byte, so no digest of a text is ever the key


class Chat:
    """A tenant's web chat. All its conversations belong to the environment that the settings name."""

    def __init__(
        self, runtime: Runtime, scope: Scope, settings: WebChat, *, windows: Windows, messages: Messages
    ) -> None:
        self.runtime = runtime
        self.scope = scope
        self.settings = settings
        self.windows = windows
        self.messages = messages
        self.journal = runtime.engine.journal(scope)
        digest = self.journal.log.digest
        self.channel = WebChatChannel(
            Tokens(digest(_KEY + b"a") + digest(_KEY + b"b"), scope), settings.title or scope.tenant
        )
        self._sessions = _Sessions()
        self._as_of = (runtime.hosted, self.journal.erased)
        self._opening: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def now_us(self) -> int:
        """Microseconds since the epoch, on the runtime's clock."""
        return self.runtime.engine.services.clock()

    def new_id(self, kind: str) -> str:
        """An id nobody can guess."""
        return self.runtime.engine.services.new_id(kind)

    @property
    def agent(self) -> str:
        """Whom conversations that begin now are with."""
        assert self.runtime.project is not None
        return self.runtime.project.route(self.scope.tenant, NAME).target

    def greeting(self, language: str) -> Greeting:
        """What conversations in a language begin with."""
        assert self.runtime.project is not None
        spoken = language or self.runtime.wording(self.scope).languages[0]
        return self.runtime.project.greeting(self.scope.tenant, spoken)

    def mint(self, visitor: Visitor) -> str:
        """A token for the visitor, for as long as the settings say. Raises Denied (`token_expired`)."""
        now_s = self.now_us // 1_000_000
        settings = self.settings
        return self.channel.tokens.mint(visitor, now_s=now_s, lifetime_s=settings.token_s, age_max_s=settings.age_s)

    def check(self, visitor: Visitor) -> None:
        """Whether the key that vouched for a visitor still counts. Raises Denied (`token_revoked`)."""
        if not visitor.is_trusted or (visitor.key == DECLARED and self.is_signed_in(visitor.user)):
            return
        key = self.runtime.keyring.api_keys.find(visitor.key, self.now_us)
        if key is None or (key.tenant, key.env) != (self.scope.tenant, self.scope.env):
            raise Denied(
                "The key that vouched for this token was revoked or is past its time.",
                code="token_revoked",
                next_step="Ask for a token with another key.",
            )

    def is_signed_in(self, user: str) -> bool:
        """Whether this environment, one for development, believes everybody to be this customer."""
        settings = self.runtime.settings
        is_development = settings is not None and settings.environment(self.scope).is_development
        return is_development and user in self.settings.signed_in

    def names(self, visitor: Visitor) -> tuple[Name, ...]:
        """In whose names a stream of this visitor's is open."""
        keys = (Key(visitor.key),) if visitor.is_trusted and visitor.key != DECLARED else ()
        return (*keys, Person(self.scope, self.journal.log.name(visitor.actor)))

    async def session(self, visitor: Visitor, language: str = "") -> Session:
        """The session of the visitor's conversation, opened in the language they want when this is the first that they
        say.

        While one opens it others wait in line, so that what comes after keeps its order. Raises NotFound
        (`agent_unknown`) when the agent is gone, Denied by policy, Unavailable.
        """
        known = self.known(visitor)
        if known is not None:
            return known
        as_of = self._as_of
        async with self._opening.setdefault(visitor.conversation, asyncio.Lock()):
            session = await self._open(visitor, visitor.language or language)
        self._keep(visitor, session, as_of)
        return session

    @property
    def team(self) -> str:
        """The team whose rules of access bind its conversations; empty for none."""
        project = self.runtime.project
        return "" if project is None else project.team(self.scope.tenant, NAME)

    def known(self, visitor: Visitor) -> Session | None:
        """The session of the visitor's conversation, if it is known and nobody opens it now."""
        self._forget_what_changed()
        known = self._sessions.get(visitor)
        return None if visitor.conversation in self._opening else known

    async def begun(self, visitor: Visitor, *, waits: bool = False) -> Session | None:
        """The session of the visitor's conversation; None while they said nothing, or with `waits` as soon as they did.

        Raises as `session` does.
        """
        self._forget_what_changed()
        known = self._sessions.get(visitor)
        if known is not None:
            return known
        as_of = self._as_of
        session = await self.runtime.sessions.found(
            self.scope,
            visitor.actor,
            agent=visitor.agent,
            channel=NAME,
            key=visitor.conversation,
            waits=waits,
            team=self.team,
        )
        if session is not None:
            self._keep(visitor, session, as_of)
        return session

    def permit(self, visitor: Visitor) -> None:
        """Whether the visitor's conversation may begin now. Raises as `session` does, TooMany, Full."""
        self.runtime.sessions.permit(
            self.scope, visitor.actor, agent=visitor.agent, channel=NAME, language=visitor.language, team=self.team
        )

    def _keep(self, visitor: Visitor, session: Session, as_of: tuple[object, object]) -> None:
        """Remembers it, unless something changed since."""
        self._forget_what_changed()
        if self._as_of is as_of:
            self._sessions.keep(visitor, session)

    def _forget_what_changed(self) -> None:
        """Knows nobody any more once other agents are hosted or somebody was erased: each is asked for again."""
        hosted, erased = self.runtime.hosted, self.journal.erased
        if hosted is not self._as_of[0] or erased is not self._as_of[1]:
            self._as_of = (hosted, erased)
            self._sessions.clear()
            self.channel.tokens.forget()

    async def _open(self, visitor: Visitor, language: str) -> Session:
        assert self.runtime.project is not None
        route = self.runtime.project.route(self.scope.tenant, NAME)
        return await self.runtime.sessions.open(
            self.scope,
            visitor.actor,
            agent=visitor.agent,
            channel=NAME,
            delivery="pull",
            double_texting=route.double_texting,
            key=visitor.conversation,
            language=language,
            team=self.team,
        )


class _Sessions:
    """The sessions of those who were here lately. It lets nobody in: each thing done with a session is asked for."""

    def __init__(self) -> None:
        self._held: OrderedDict[Visitor, Session] = OrderedDict()

    def get(self, visitor: Visitor) -> Session | None:
        """The session of a visitor, if it is known."""
        found = self._held.get(visitor)
        if found is not None:
            self._held.move_to_end(visitor)
        return found

    def keep(self, visitor: Visitor, session: Session) -> None:
        """Remembers it; whoever was away longest is forgotten."""
        self._held[visitor] = session
        if len(self._held) > SESSIONS_MAX:
            self._held.popitem(last=False)

    def clear(self) -> None:
        """Forgets everybody."""
        self._held.clear()


class Chats:
    """The web chats of a runtime, each made when it is first asked for."""

    def __init__(self, runtime: Runtime, messages: Messages) -> None:
        self.runtime = runtime
        self._windows, self._messages = Windows(), messages
        self._chats: dict[str, Chat] = {}

    def of(self, tenant: str) -> Chat:
        """A tenant's web chat. Raises NotFound (`webchat_unknown`), whether or not there is such a tenant."""
        chat = self._chats.get(tenant)
        if chat is None:
            chat = self._chats[tenant] = self._new(tenant)
        return chat

    def _new(self, tenant: str) -> Chat:
        settings = self.runtime.settings
        declared = settings.tenants.get(tenant) if settings is not None else None
        if declared is None or declared.webchat is None:
            raise NotFound(
                "There is no web chat here.",
                code="webchat_unknown",
                next_step="Declare [tenants.<name>.webchat] in lichen.toml.",
            )
        scope = Scope(tenant, declared.webchat.env)
        return Chat(self.runtime, scope, declared.webchat, windows=self._windows, messages=self._messages)
