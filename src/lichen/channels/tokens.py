"""Direct Line tokens: who may read and write which one conversation, for how long. Signed, never stored.

A token is a JWT (RFC 7519, HS256) whose claims are those of Direct Line 3.0. It is bound to one conversation when it is
made, and says which key vouched for its user id, or that it is only what a stranger claims; and since when: a token
that is made from another one is as old as the first of them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import jwt
import msgspec

from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.scope import CLAIMED, Actor, Customer, Scope

ISSUER = "lichen.webchat"
AUDIENCE = "directline"
ALGORITHM = "HS256"
TOKEN_CHARACTERS_MAX = 4_096
TOKENS_KNOWN = 4_096  # verified once; whether they are past their time is asked each time
DECLARED = "declared"
"""Stands for the key of a customer whom a development environment believes without one. No key has this id."""
SKEW_S = 30  # of another process's clock, for tokens from the future


class Visitor(msgspec.Struct, frozen=True):
    """The customer of one conversation. `user` is the id the platform knows, `agent` whom the conversation is with.

    `key` is the id of the API key that vouched for the user id, empty for a claim, DECLARED for one that a development
    environment believes; `since_s` when the conversation's first token was made. `language` is what they wanted as they
    opened it: nothing of the conversation is stored before they say something.
    """

    user: str
    conversation: str
    agent: str
    key: str = ""
    since_s: int = 0
    language: str = ""

    @property
    def is_trusted(self) -> bool:
        """Whether a key vouched for the user id."""
        return bool(self.key)

    @property
    def actor(self) -> Actor:
        """Who that is in the log: a claimed id never names the same person as one that was vouched for."""
        return Customer(self.user if self.is_trusted else f"{CLAIMED}{self.user}")

    def check(self) -> None:
        """Whether the user id can be used. Raises Invalid (`actor_invalid`, `user_reserved`)."""
        if self.is_trusted and self.user.startswith(CLAIMED):
            raise Invalid(
                f"No key can vouch for a user id that begins with {CLAIMED!r}: these are claimed by strangers.",
                code="user_reserved",
                next_step="Vouch for the id your own system knows the customer by.",
            )
        _ = self.actor


class _Context(msgspec.Struct, frozen=True):
    env: str
    tenant: str
    team: str | None


class _Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    iss: Literal["lichen.webchat"]
    aud: Literal["directline"]
    sub: str
    user: str  # the widget reads its own id from here
    iat: int
    nbf: int
    exp: int
    ctx: _Context
    conv: str
    agent: str
    trusted: bool
    kid: str = ""
    since: int = 0
    lang: str = ""


class Issued(msgspec.Struct, frozen=True):
    """A token that was read: whose it is, and from when until when it counts (seconds since the epoch)."""

    visitor: Visitor
    expires_s: int
    since_s: int = 0


class Tokens:
    """Makes and reads the tokens of one tenant's environment, under its key of 32 bytes."""

    def __init__(self, key: bytes, scope: Scope) -> None:
        self._key = key
        self._scope = scope
        self._issued = lru_cache(TOKENS_KNOWN)(self._verified)

    def mint(self, visitor: Visitor, *, now_s: int, lifetime_s: int, age_max_s: int) -> str:
        """A token for the visitor, good from now on for its lifetime, but never beyond `age_max_s` since the first.

        Raises Denied (`token_expired`) when the first is older than that.
        """
        where, since_s = self._scope, visitor.since_s or now_s
        until_s = min(now_s + lifetime_s, since_s + age_max_s)
        if until_s <= now_s:
            raise _expired("The conversation's tokens cannot be renewed any more.")
        claims = _Claims(
            iss=ISSUER,
            aud=AUDIENCE,
            sub=visitor.user,
            user=visitor.user,
            iat=now_s,
            nbf=now_s,
            exp=until_s,
            ctx=_Context(where.env, where.tenant, where.team),
            conv=visitor.conversation,
            agent=visitor.agent,
            trusted=visitor.is_trusted,
            kid=visitor.key,
            since=since_s,
            lang=visitor.language,
        )
        return jwt.encode(msgspec.to_builtins(claims), self._key, algorithm=ALGORITHM)

    def read(self, text: str, *, now_s: int) -> Issued:
        """What a token says. Raises Denied (`token_invalid`, `token_expired`): Direct Line clients expect 403."""
        issued = self._issued(text)
        if now_s >= issued.expires_s:
            raise _expired("The token is past its time.")
        if issued.since_s > now_s + SKEW_S:
            raise _invalid()
        return issued

    def forget(self) -> None:
        """Remembers no token that was read, nor whose it was."""
        self._issued.cache_clear()

    def _verified(self, text: str) -> Issued:
        """What a token says that we signed for this scope, whenever that is asked."""
        claims = self._claims(text)
        if claims.ctx != _Context(self._scope.env, self._scope.tenant, self._scope.team):
            raise _invalid()
        if claims.trusted != bool(claims.kid):
            raise _invalid()  # nobody can say who vouched for it
        visitor = Visitor(claims.user, claims.conv, claims.agent, claims.kid, claims.since or claims.iat, claims.lang)
        return Issued(visitor, claims.exp, claims.nbf)

    def _claims(self, text: str) -> _Claims:
        if len(text) > TOKEN_CHARACTERS_MAX:
            raise _invalid()
        try:
            found: dict[str, Any] = jwt.decode(
                text,
                self._key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},  # by the injected clock
            )
            return msgspec.convert(found, _Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError):
            raise _invalid() from None


def _expired(message: str) -> Denied:
    return Denied(message, code="token_expired", next_step="Ask for a new token.")


def _invalid() -> Denied:
    return Denied(
        "This is no token of this web chat.", code="token_invalid", next_step="Ask for a token at tokens/generate."
    )
