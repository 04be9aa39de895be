"""Direct Line tokens: who may read and write which one conversation, for how long. Signed, never stored.

A token is a JWT (RFC 7519, HS256) whose claims are those of Direct Line 3.0. It is bound to one conversation when it is
made, and says whether its user id was vouched for by somebody with a key or is only what a stranger claims.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import jwt
import msgspec

from lichen.core.errors import Denied
from lichen.core.scope import Actor, Customer, Scope

ISSUER = "lichen.webchat"
AUDIENCE = "directline"
ALGORITHM = "HS256"
TOKEN_CHARACTERS_MAX = 4_096
TOKENS_KNOWN = 4_096  # verified once; whether they are past their time is asked each time
SKEW_S = 30  # of another process's clock, for tokens from the future


class Visitor(msgspec.Struct, frozen=True):
    """The customer of one conversation. `user` is the id the platform knows, `agent` whom the conversation is with."""

    user: str
    conversation: str
    agent: str
    is_trusted: bool

    @property
    def actor(self) -> Actor:
        """Who that is in the log: a claimed id never names the same person as one that was vouched for."""
        return Customer(self.user if self.is_trusted else f"webchat:{self.user}")


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


class Issued(msgspec.Struct, frozen=True):
    """A token that was read: whose it is, and when it ends (seconds since the epoch)."""

    visitor: Visitor
    expires_s: int


class Tokens:
    """Makes and reads the tokens of one tenant's environment, under its key of 32 bytes."""

    def __init__(self, key: bytes, scope: Scope) -> None:
        self._key = key
        self._scope = scope
        self._claims = lru_cache(TOKENS_KNOWN)(self._verified)

    def mint(self, visitor: Visitor, *, now_s: int, lifetime_s: int) -> str:
        """A token for the visitor, good from now on."""
        where = self._scope
        claims = _Claims(
            iss=ISSUER,
            aud=AUDIENCE,
            sub=visitor.user,
            user=visitor.user,
            iat=now_s,
            nbf=now_s,
            exp=now_s + lifetime_s,
            ctx=_Context(where.env, where.tenant, where.team),
            conv=visitor.conversation,
            agent=visitor.agent,
            trusted=visitor.is_trusted,
        )
        return jwt.encode(msgspec.to_builtins(claims), self._key, algorithm=ALGORITHM)

    def read(self, text: str, *, now_s: int) -> Issued:
        """What a token says. Raises Denied (`token_invalid`, `token_expired`): Direct Line clients expect 403."""
        claims = self._claims(text)
        if now_s >= claims.exp:
            raise Denied("The token is past its time.", code="token_expired", next_step="Ask for a new token.")
        if claims.nbf > now_s + SKEW_S or claims.ctx != _Context(self._scope.env, self._scope.tenant, self._scope.team):
            raise _invalid()
        return Issued(Visitor(claims.user, claims.conv, claims.agent, claims.trusted), claims.exp)

    def _verified(self, text: str) -> _Claims:
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


def _invalid() -> Denied:
    return Denied(
        "This is no token of this web chat.", code="token_invalid", next_step="Ask for a token at tokens/generate."
    )
