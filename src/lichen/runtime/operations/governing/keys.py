"""The API keys of a tenant: who holds one is whom it names."""

from __future__ import annotations

import asyncio

from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.log.keys.apikeys import ApiKey
from lichen.log.keys.keyring import Keyring
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.access.changes import Changes
from lichen.runtime.access.register import Key, Register
from lichen.runtime.views.tenant import KeyView, key_view


class Keys:
    """Issues, lists and revokes them."""

    def __init__(
        self, engine: Engine, keyring: Keyring, access: Access, changes: Changes, *, register: Register
    ) -> None:
        self._engine = engine
        self._keyring = keyring
        self._access = access
        self._changes = changes
        self._register = register

    async def issue(self, scope: Scope, holder: Actor, actor: Actor, *, valid_s: int | None = None) -> str:
        """The text of a new API key for `holder`, once that is durable and in the log. It is told once.

        Raises Denied, Unavailable (`keys_readonly`, `volume_readonly`).
        """
        ruling = self._access.ask("key.issue", scope, actor, About(holder.kind))
        clock = self._engine.services.clock
        key = await asyncio.to_thread(
            self._keyring.api_keys.issue,
            scope.tenant,
            scope.env,
            actor_kind=holder.kind,
            actor_id=holder.id,
            roles=holder.roles,
            expires_at_us=None if valid_s is None else clock() + valid_s * 1_000_000,
        )
        id = key.split("_")[1]
        try:
            await self._changes.note(scope, "key", f"issued:{id}", actor, ruling)
        except BaseException:
            self._keyring.api_keys.revoke(id)  # nobody was told of it
            raise
        return key

    def list(self, scope: Scope, actor: Actor) -> tuple[KeyView, ...]:
        """The API keys of a scope, expired ones included, without their secrets. Raises Denied."""
        self._access.ask("key.read", scope, actor, EVERYTHING)
        return tuple(map(key_view, self._of(scope)))

    async def revoke(self, scope: Scope, id: str, actor: Actor) -> None:
        """Makes a key of the scope worthless at once; the log says so. Raises Denied, NotFound (`api_key_missing`)."""
        ruling = self._access.ask("key.revoke", scope, actor, About(id))
        if id not in {key.id for key in self._of(scope)}:
            raise NotFound("There is no such key in this scope.", code="api_key_missing")
        await asyncio.to_thread(self._keyring.api_keys.revoke, id)
        self._register.end(Key(id))
        await self._changes.note(scope, "key", f"revoked:{id}", actor, ruling)

    def _of(self, scope: Scope) -> tuple[ApiKey, ...]:
        keys = self._keyring.api_keys.list()
        return tuple(key for key in keys if (key.tenant, key.env) == (scope.tenant, scope.env))
