"""Tokens and conversations: whoever asks gets a token for one new conversation; with it they open and resume it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.responses import Response

from lichen.channels.tokens import DECLARED, Visitor
from lichen.core.speech.wording import WANTED_CHARS_MAX
from lichen.core.words.errors import Denied, Unauthenticated
from lichen.serve.http.auth import by_key
from lichen.serve.http.limits import client_of
from lichen.serve.webchat.limits import USER_TOKENS_MAX
from lichen.serve.webchat.visit import Visit, answer

UserId = Annotated[str, msgspec.Meta(max_length=100)]


class User(msgspec.Struct, frozen=True):
    """Who the conversation is with, as the caller says."""

    id: UserId = ""


class Wanted(msgspec.Struct, frozen=True, rename="camel"):
    """Whom a token is wanted for, in either spelling; nobody in particular when both are left out."""

    user: User | None = None
    user_id: UserId = ""


class Opening(msgspec.Struct, frozen=True):
    """What a client says as it opens the token's conversation; who it is with, the token says."""

    locale: str | None = None


class Token(msgspec.Struct, frozen=True, rename={"conversation": "conversationId"}):
    """A token and how long it is good, in seconds."""

    conversation: str
    token: str
    expires_in: int


class Conversation(Token, frozen=True, rename={"conversation": "conversationId", "stream_url": "streamUrl"}):
    """A conversation that can be followed."""

    stream_url: str = ""


async def generate(visit: Visit) -> Response:
    """A token for a new conversation.

    Anybody gets one; the user id they name is only a claim. With an API key of a service or operator of the tenant
    (what a Direct Line secret is for) the user id is vouched for, and the limits do not count. A development
    environment may believe some customers without a key.
    """
    wanted = visit.body(Wanted)
    user = (wanted.user.id if wanted.user is not None else "") or wanted.user_id
    chat = visit.chat
    try:
        key = _key_of(visit)
    except Unauthenticated:
        _limit(visit, "")  # who guesses keys asks as seldom as who has none
        raise
    if not key and chat.is_signed_in(user):
        key = DECLARED
        _limit(visit, "")
    elif not key:
        _limit(visit, user)
    user_id = user or chat.new_id("visitor")
    visitor = Visitor(user_id, chat.new_id("chat"), chat.agent, key if user else "")
    visitor.check()
    return answer(_token(visit, visitor))


async def refresh(visit: Visit) -> Response:
    """The same token, good for longer, until its conversation is as old as the settings allow."""
    return answer(_token(visit, visit.issued().visitor))


async def open_conversation(visit: Visit) -> Response:
    """The token's conversation: 201 while nothing was said in it, else 200.

    Nothing is stored of it before somebody says something: its id and the language that is wanted lie in the token.
    """
    visitor = visit.issued().visitor
    wanted = visitor.language or visit.language(visit.body(Opening).locale)[:WANTED_CHARS_MAX]
    is_begun = await visit.chat.begun(visitor) is not None
    visitor = msgspec.structs.replace(visitor, language=wanted)
    if not is_begun:
        visit.chat.permit(visitor)
    return answer(_conversation(visit, visitor, 0), 200 if is_begun else 201)


async def resume(visit: Visit) -> Response:
    """Where to go on after a lost connection: a new stream that begins after the watermark."""
    visitor = visit.visitor()
    await visit.chat.begun(visitor)  # whose agent is gone learns it here
    return answer(_conversation(visit, visitor, visit.watermark()))


def _token(visit: Visit, visitor: Visitor) -> Token:
    return Token(visitor.conversation, visit.chat.mint(visitor), visit.chat.settings.token_s)


def _conversation(visit: Visit, visitor: Visitor, watermark: int) -> Conversation:
    token = visit.chat.mint(visitor)
    url = visit.stream_url(token, watermark)
    return Conversation(visitor.conversation, token, visit.chat.settings.token_s, url)


def _limit(visit: Visit, user: str) -> None:
    """Raises TooMany (`tokens_too_many`): of one user id five a minute, of one address as the settings say."""
    chat = visit.chat
    where = (chat.scope.env, chat.scope.tenant, chat.scope.team)
    chat.windows.take(("address", where, client_of(visit.request)), chat.settings.tokens_per_minute, chat.now_us)
    if user:
        chat.windows.take(("user", where, user), USER_TOKENS_MAX, chat.now_us)


def _key_of(visit: Visit) -> str:
    """The id of the caller's key, if they proved to be a service or operator of the tenant; empty without a key.

    Raises Unauthenticated, Denied.
    """
    if "authorization" not in visit.request.headers:
        return ""
    caller = by_key(visit.chat.runtime)(visit.request)
    scope = caller.scope()
    if (scope.tenant, scope.env) != (visit.chat.scope.tenant, visit.chat.scope.env):
        raise Denied("This key is for another tenant or environment.", code="key_scope")
    if caller.actor().kind not in ("service", "operator"):
        raise Denied("Only services and operators may vouch for a user.", code="role_missing")
    return caller.actor().auth.removeprefix("key:")
