"""Signing in at servers of others for oneself: what was issued counts for calls made for that person alone."""

from __future__ import annotations

from lichen.core.words.scope import Actor, Scope
from lichen.runtime.access.access import About, Access
from lichen.runtime.access.changes import Changes
from lichen.runtime.servers.servers import Servers


class SignIns:
    """Keeps them."""

    def __init__(self, access: Access, changes: Changes, servers: Servers) -> None:
        self._access, self._changes, self._servers = access, changes, servers

    async def keep(self, scope: Scope, server: str, token: bytes, actor: Actor) -> None:
        """Keeps what somebody's own sign-in at a server brought, encrypted, for calls that are made for them.

        Raises Denied, NotFound (`server_unknown`), Invalid (`sign_in_unwanted`, `token_invalid`), Conflict
        (`secrets_full`), Unavailable.
        """
        ruling = self._access.ask("tool.login", scope, actor, About(server))
        await self._servers.reach.sign_in(scope, server, token, actor)
        await self._changes.note(scope, "key", f"signed_in:{server}", actor, ruling)
