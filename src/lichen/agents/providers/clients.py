"""The clients of a process: one for each connection, made when it is first asked over and kept while it is needed."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from pydantic_ai.models import Model

from lichen.agents.providers.facts import Facts
from lichen.agents.providers.makers import Made, Reach, make
from lichen.agents.providers.transport import http_client
from lichen.core.ports.model import Connection

CLIENTS_MAX: Final = 256  # kept for their next request; those at work are beside them
MODELS_MAX: Final = 64  # of one client
REFUSED_MAX: Final = 1_024  # schemas that providers did not take


class _Client:
    """One client, its models by name, and how many requests are at work with it."""

    def __init__(self, made: Made) -> None:
        self._made, self._models = made, OrderedDict[str, Model[Any]]()
        self.at_work = 0

    def model(self, name: str) -> Model[Any]:
        """The model of this name."""
        found = self._models.get(name) or self._made.model(name)
        self._models[name] = found
        self._models.move_to_end(name)
        if len(self._models) > MODELS_MAX:
            self._models.popitem(last=False)
        return found

    async def close(self) -> None:
        """Closes its connections."""
        await self._made.close()


class Clients:
    """The clients of one runtime, in its event loop."""

    def __init__(self) -> None:
        self._clients = OrderedDict[bytes, _Client]()
        self._making = asyncio.Lock()
        self._refused = OrderedDict[bytes, None]()

    def refuses(self, schema: bytes) -> bool:
        """Whether a model's provider did not take a schema, by the digest of both."""
        return schema in self._refused

    def note_refused(self, schema: bytes) -> None:
        """A provider did not take this schema. The newest are remembered."""
        self._refused[schema] = None
        if len(self._refused) > REFUSED_MAX:
            self._refused.popitem(last=False)

    @asynccontextmanager
    async def lent(self, facts: Facts, connection: Connection, model: str) -> AsyncGenerator[Model[Any]]:
        """The model over this connection, whose client stays open meanwhile."""
        client = await self._client(facts, connection)
        client.at_work += 1
        try:
            yield client.model(model)
        finally:
            client.at_work -= 1

    async def _client(self, facts: Facts, connection: Connection) -> _Client:
        digest = _digest(facts, connection)
        async with self._making:
            client = self._clients.get(digest)
            if client is None:
                http = http_client(timeout_s=connection.timeout_s)
                # A library may be read from disk for this, which would hold up everybody.
                client = _Client(await asyncio.to_thread(make, Reach(facts, connection, http)))
                self._clients[digest] = client
            self._clients.move_to_end(digest)
            await self._let_go()
        return client

    async def _let_go(self) -> None:
        """Closes those that waited longest for a next request, of those that are more than are kept."""
        resting = [digest for digest, client in self._clients.items() if not client.at_work]
        for digest in resting[: max(0, len(self._clients) - CLIENTS_MAX)]:
            await self._clients.pop(digest).close()

    async def close(self) -> None:
        """Closes all of them."""
        while self._clients:
            await self._clients.popitem()[1].close()


def _digest(facts: Facts, connection: Connection) -> bytes:
    """What makes a client another one: everything of its connection but how often is tried."""
    parts = (facts.name, facts.key_of(connection), facts.url_of(connection), connection.timeout_s)
    return hashlib.sha256(msgspec.json.encode((*parts, connection.options), order="sorted")).digest()
