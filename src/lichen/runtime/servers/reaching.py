"""How other people's servers are reached: a connection for each scope, or for each person who signed in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lichen.core.ports.model import Model
from lichen.core.ports.secrets import Secret, Secrets, SecretStore
from lichen.core.remote.server import Server, token_name
from lichen.core.words.errors import Invalid, NotFound
from lichen.core.words.scope import Actor, Scope
from lichen.log.log import Log
from lichen.runtime.servers.people import Connections, ForEach, Place
from lichen.runtime.servers.showing import showing

if TYPE_CHECKING:
    import httpx2

    from lichen.tools.mcp.connection import Connection

NOBODY: Final = "nobody"  # never a pseudonym: nobody signs in so


class Kept:
    """Tokens in the encrypted file of secrets, whatever else a scope's secrets come from. Implements `Tokens`."""

    def __init__(self, store: SecretStore, scope: Scope, name: str) -> None:
        self._store, self._scope, self._name = store, scope, name

    def now_s(self) -> float:
        """The time of this machine: what expires does so by everybody's clock."""
        return time.time()  # noqa: TID251 - as above

    async def load(self) -> bytes:
        """What is kept. Raises NotFound (`secret_unknown`)."""
        return (await self._store.get(self._scope, self._name)).reveal_bytes()

    async def keep(self, data: bytes) -> None:
        """Keeps it in the place of what was there."""
        await self._store.put(self._scope, self._name, Secret(data), replaces=True)


class Reach:
    """The ways to the servers that `of` says a scope has. `store` keeps the tokens, `secrets` has what tables name."""

    def __init__(
        self,
        of: Callable[[Scope], Mapping[str, Server]],
        log_of: Callable[[Scope], Log],
        secrets: Secrets,
        store: SecretStore,
        new_id: Callable[[str], str],
        clock: Callable[[], int],
    ) -> None:
        self._of, self._log_of = of, log_of
        self._secrets, self._store = secrets, store
        self._new_id, self._clock = new_id, clock
        self._connections = Connections(self._made, self._pseudonym, lambda: asyncio.get_running_loop().time())

    def table(self, scope: Scope, server: str) -> Server:
        """What the project says of a server. Raises NotFound (`server_unknown`)."""
        table = self._of(scope).get(server)
        if table is None:
            step = f"It has: {', '.join(sorted(self._of(scope))) or 'none'}. Add [[mcp]] to lichen.toml."
            raise NotFound(f"There is no MCP server {server!r} here.", code="server_unknown", next_step=step)
        return table

    def connection(self, scope: Scope, server: str, by: Actor | None = None) -> Connection:
        """The connection of a scope to one of its servers, or of whoever `by` acts for where each has their own. Raises
        NotFound (`server_unknown`), Unavailable (`connections_full`), and Invalid for the model that it may ask."""
        return self._connections.of(scope, self.table(scope, server), by)

    def for_each(self, scope: Scope, server: Server) -> ForEach:
        """The connection of whoever a call is for."""
        return ForEach(scope, server, self._connections)

    def _made(self, place: Place, table: Server) -> Connection:
        from lichen.tools.mcp.connection import Connection

        async def reveal(name: str) -> str:
            return (await self._secrets.get(place.scope, name)).reveal()

        is_nobodys = table.tokens == "person" and not place.person
        name = token_name(table.name, NOBODY if is_nobodys else place.person)
        clock, tokens = asyncio.get_running_loop().time, Kept(self._store, place.scope, name)

        async def shows() -> httpx2.Auth:
            return await showing(table, place.lent, reveal, self._clock, self._new_id)

        return Connection(table, reveal, clock, tokens, _model_of(table), shows if table.agentpin is not None else None)

    def _pseudonym(self, scope: Scope, actor: Actor) -> str:
        return self._log_of(scope).pseudonym(actor)

    async def sign_in(self, scope: Scope, server: str, token: bytes, by: Actor) -> None:
        """Keeps what somebody's own sign-in brought, for calls that are made for them and for nobody else.

        Raises NotFound (`server_unknown`), Invalid (`sign_in_unwanted`, `token_invalid`), Conflict (`secrets_full`).
        """
        table = self.table(scope, server)
        if table.tokens != "person" or table.oauth is None:
            step = 'Write `tokens = "person"` and `oauth = {}` in its [[mcp]] table, should people sign in themselves.'
            raise Invalid("People do not sign in at this server themselves.", code="sign_in_unwanted", next_step=step)
        from lichen.tools.mcp.oauth.bearer import check_token  # which few processes need

        check_token(table, token)
        person = self._pseudonym(scope, by.subject)
        name, value = token_name(server, person), Secret(token)
        try:
            await self._store.put(scope, name, value, replaces=True)
        except NotFound:
            await self._store.put(scope, name, value, replaces=False)
        await self._connections.end(scope, person, server)

    async def forget(self, scope: Scope, person: str) -> None:
        """Ends what is open for a person who was erased, and removes what they signed in by."""
        await self._connections.end(scope, person)
        for server in self._of(scope):
            with suppress(NotFound):
                await self._store.remove(scope, token_name(server, person))

    async def close(self) -> None:
        """Ends every connection, and every process that was started for one."""
        await self._connections.close()


def _model_of(server: Server) -> Model | None:
    """The model that a server may ask. Raises Invalid (`model_unknown` and others) with its place."""
    if not server.sampling:
        return None
    from lichen.agents.models.model import resolve  # which few projects need here

    try:
        return resolve(server.sampling)
    except Invalid as error:
        place = f"mcp.{server.name}.sampling"
        raise Invalid(error.message, code=error.code, place=place, next_step=error.next_step) from error
