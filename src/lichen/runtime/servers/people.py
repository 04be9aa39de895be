"""Connections to servers where each person has their own: no token, and no process, of one person is another's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from lichen.core.ports.call import CallMeta
from lichen.core.remote.server import Server
from lichen.core.words.errors import Unavailable
from lichen.core.words.scope import Actor, Scope
from lichen.runtime.servers.showing import lent_to_us

if TYPE_CHECKING:
    from lichen.tools.mcp.connection import Connection

PEOPLE_MAX: Final = 100  # with a connection to one server at once
IDLE_S: Final = 60.0  # before somebody else may have the place of a connection


class Place(NamedTuple):
    """A server of a scope, and whose connection to it: a pseudonym, empty for everybody's."""

    scope: Scope
    server: str
    person: str = ""
    lent: tuple[str, ...] = ()  # the chain by which somebody else's agent delegated to ours


class Connections:
    """The connections of a process. `make` makes one, `pseudonym` says who somebody is in a scope's log."""

    def __init__(
        self,
        make: Callable[[Place, Server], Connection],
        pseudonym: Callable[[Scope, Actor], str],
        clock: Callable[[], float],
    ) -> None:
        self._make, self._pseudonym, self._clock = make, pseudonym, clock
        self._open: dict[Place, Connection] = {}
        self._used_s: dict[Place, float] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def of(self, scope: Scope, server: Server, by: Actor | None = None) -> Connection:
        """The connection for whoever `by` acts for. Raises Unavailable (`connections_full`, `delegation_refused`)."""
        place = Place(scope, server.name, self.person(scope, server, by), lent_to_us(server, by))
        if place not in self._open:
            if place.person or place.lent:
                self._make_room(place)
            self._open[place] = self._make(place, server)
        self._used_s[place] = self._clock()
        return self._open[place]

    def person(self, scope: Scope, server: Server, by: Actor | None) -> str:
        """Whose connection it is."""
        return self._pseudonym(scope, by.subject) if server.tokens == "person" and by is not None else ""

    def _make_room(self, wanted: Place) -> None:
        """Lets go of the connection that was used least lately, where there are as many as may be."""
        others = [each for each in self._open if each[:2] == wanted[:2] and (each.person or each.lent)]
        if len(others) < PEOPLE_MAX:
            return
        rested = [each for each in others if self._is_at_rest(each)]
        if not rested:
            message = f"{PEOPLE_MAX} people have a connection to the MCP server {wanted.server} already."
            raise Unavailable(message, code="connections_full", next_step="Try again in a minute.")
        oldest = min(rested, key=lambda each: self._used_s[each])
        self._leave(oldest)

    def _leave(self, place: Place) -> asyncio.Task[None]:
        """Closes a connection beside whatever goes on: nobody finds it any more."""
        leaving = asyncio.ensure_future(self._open.pop(place).close())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        return leaving

    def _is_at_rest(self, place: Place) -> bool:
        return not self._open[place].calls.count and self._clock() - self._used_s[place] > IDLE_S

    async def end(self, scope: Scope, person: str, server: str = "") -> None:
        """Closes what is open for a person, at one server or at all of them."""
        for place in [each for each in self._open if (each.scope, each.person) == (scope, person)]:
            if server in ("", place.server):
                await self._leave(place)

    async def close(self) -> None:
        """Closes all of them."""
        for place in tuple(self._open):
            self._leave(place)
        if self._leaving:
            await asyncio.wait(self._leaving)


class ForEach:
    """One server of a scope, for each call by the connection of whom it is for. Implements `Reached`."""

    def __init__(self, scope: Scope, server: Server, connections: Connections) -> None:
        self._scope, self._server, self._connections = scope, server, connections

    def of(self, meta: CallMeta) -> Connection:
        """The connection for a call. Raises Unavailable (`connections_full`)."""
        return self._connections.of(self._scope, self._server, meta.actor)
