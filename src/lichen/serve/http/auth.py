"""Who asks: recognised from an API key, or named by somebody who may open the local socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import msgspec
from starlette.requests import HTTPConnection

from lichen.core.words.errors import Denied, Invalid, LichenError, NotFound, Unauthenticated
from lichen.core.words.scope import Actor, Scope
from lichen.gate.rules.identity import may
from lichen.gate.rules.schema import Action
from lichen.log.keys.apikeys import ApiKey
from lichen.runtime.access.register import Credential, Key, Name, Person
from lichen.runtime.runtime import Runtime
from lichen.settings import Settings

if TYPE_CHECKING:
    from lichen.runtime.access.credentials import Shown

TENANT, ENV, AS = "lichen-tenant", "lichen-env", "lichen-as"
CREDENTIAL = "lichen.credential"
"""Where a request's scope has what was found of an agent's credential: `Shown`, or the error that it is."""

OWNER = Actor("system", "owner", auth="owner")
"""Whoever may open the data directory's own socket and says no more about themselves."""

Access = Action | Literal["anybody", "owner"]
"""What a route is for: the action that its operation asks for, nothing of anybody's, or something that only the owner
of the data directory may reach at all."""


class Caller(msgspec.Struct, frozen=True):
    """Who asks and where, as far as they said. `is_owner`: could open a socket that only the directory's owner can."""

    where: Scope | None
    who: Actor | None
    is_owner: bool = False
    credential: Credential | None = None  # by which somebody else's agent came in

    def scope(self) -> Scope:
        """Where. Raises Invalid (`tenant_missing`)."""
        if self.where is None:
            raise Invalid(
                "The request names no tenant.",
                code="tenant_missing",
                next_step="Name one with --tenant (Lichen-Tenant).",
            )
        return self.where

    def actor(self) -> Actor:
        """Who; the owner when nobody was named on their socket. Raises Invalid (`actor_missing`)."""
        if self.who is None and self.is_owner:
            return OWNER
        if self.who is None:
            raise _actor_missing()
        return self.who

    def names(self, runtime: Runtime) -> tuple[Name, ...]:
        """In whose names something of this caller's is open: the key's, and the customer's. None for the owner."""
        if self.who is None or self.where is None:
            return ()
        method, _, id = self.who.auth.partition(":")
        keys: tuple[Name, ...] = (Key(id),) if method == "key" else ()
        if self.credential is not None:
            keys = (self.credential,)
        if self.who.kind != "customer":
            return keys
        return (*keys, Person(self.where, runtime.log(self.where).name(self.who)))

    def require(self, access: Access) -> None:
        """Whether the caller may come this far; whether they may do it, the operation asks.

        Raises Denied (`owner_only`), Invalid (`actor_missing`) where somebody must be named.
        """
        match access:
            case "anybody":
                return
            case "owner":
                if not self.is_owner:
                    raise _owner_only()
            case action:
                if self.who is None and not (self.is_owner and may(OWNER, action)):
                    raise _actor_missing()


def _owner_only() -> Denied:
    return Denied(
        "Only the owner of the data directory may do this.",
        code="owner_only",
        next_step="Run the command on the machine itself, without a key.",
    )


def _actor_missing() -> Invalid:
    return Invalid(
        "The request names nobody who does this.",
        code="actor_missing",
        next_step="Name a declared actor with --as (Lichen-As), or use a key.",
    )


Identify = Callable[[HTTPConnection], Caller]
"""Recognises the caller of a request. Raises Unauthenticated, Invalid, NotFound, Denied."""


def by_key(runtime: Runtime) -> Identify:
    """Callers are whom their API key says, or a credential that was looked at; without one they are refused. What a
    public port uses."""

    def identify(request: HTTPConnection) -> Caller:
        if CREDENTIAL in request.scope:
            return _of_credential(runtime, request.scope[CREDENTIAL], request.headers)
        key = bearer(request.headers)
        if key is None:
            raise Unauthenticated("The request carries no key.", code="key_missing")
        return _of_key(runtime, key, request.headers)

    return identify


def by_owner(runtime: Runtime) -> Identify:
    """Callers may name any actor declared in `lichen.toml`; a key, when there is one, decides alone.

    Only for a socket that nobody but the owner of the data directory can open.
    """

    def identify(request: HTTPConnection) -> Caller:
        key = bearer(request.headers)
        if key is None:
            return _declared(runtime.settings, request.headers)
        return _of_key(runtime, key, request.headers)

    return identify


def bearer(headers: Mapping[str, str]) -> str | None:
    """The key a request carries, if it carries any. Raises Unauthenticated (`key_invalid`) for another scheme."""
    given = headers.get("authorization")
    if given is None:
        return None
    scheme, _, key = given.partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise Unauthenticated("The Authorization header is not a bearer key.", code="key_invalid")
    return key


def _of_key(runtime: Runtime, text: str, headers: Mapping[str, str]) -> Caller:
    key = runtime.keyring.api_keys.check(text, runtime.engine.services.clock())
    if key is None:
        raise Unauthenticated(
            "This is no key of this runtime, or it was revoked or is past its time.",
            code="key_invalid",
            next_step="Ask an operator of the tenant for a new key (`lichen keys create`).",
        )
    check_nothing_contradicts(key, headers)
    return caller_of(key)


def _of_credential(runtime: Runtime, found: Shown | LichenError, headers: Mapping[str, str]) -> Caller:
    if isinstance(found, LichenError):
        raise found
    if runtime.credentials is None or not runtime.credentials.stands(found.name):
        raise Unauthenticated(
            "This credential does not count any more.", code="credential_refused", next_step="Show a new one."
        )
    check_nothing_contradicts(found.name.scope, headers)
    return Caller(found.name.scope, found.actor, credential=found.name)


def caller_of(key: ApiKey) -> Caller:
    """Who the holder of a valid key is, and where."""
    actor = Actor(key.actor_kind, key.actor_id, key.roles, auth=f"key:{key.id}")
    return Caller(Scope(key.tenant, key.env), actor)


def check_nothing_contradicts(key: ApiKey | Scope, headers: Mapping[str, str]) -> None:
    """A key, or a credential, alone says who asks and where. Raises Invalid (`key_decides`), Denied (`key_scope`)."""
    if headers.get(AS) is not None:
        raise Invalid(
            "A key alone says who asks; nobody else can be named beside it.",
            code="key_decides",
            next_step="Leave --as (Lichen-As) out, or the key (LICHEN_KEY).",
        )
    if headers.get(TENANT, key.tenant) != key.tenant or headers.get(ENV, key.env) != key.env:
        raise Denied(
            "This key is for another tenant or environment.",
            code="key_scope",
            next_step="Leave --tenant and --env out, or use a key of that tenant.",
        )


def _declared(settings: Settings | None, headers: Mapping[str, str]) -> Caller:
    tenant, actor = headers.get(TENANT), headers.get(AS)
    if tenant is None and settings is not None and len(settings.scopes) == 1:
        tenant = settings.scopes[0].tenant  # there is no other that could be meant
    if tenant is None:
        if actor is not None:
            raise Invalid("An actor belongs to a tenant.", code="tenant_missing", next_step="Name it with --tenant.")
        return Caller(None, None, is_owner=True)
    if settings is None:
        raise NotFound("This runtime declares no tenants.", code="tenant_unknown", next_step="Use a key.")
    scope = settings.scope(tenant, headers.get(ENV))
    return Caller(scope, settings.actor(tenant, actor) if actor is not None else None, is_owner=True)
