"""The MCP servers of every scope: what agents have of them, what they offer, and when they are looked at.

What was accepted of a server stands in the scope's log, and that is what agents have, whatever the server says now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from lichen.core.deciders.streams import Definition as Standing
from lichen.core.ports.call import Tool, ToolSpec
from lichen.core.ports.secrets import Secrets, SecretStore
from lichen.core.remote.server import Server
from lichen.core.remote.tools import Offer, RemoteTools
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import TENANT_STREAM, ToolName
from lichen.core.words.scope import Actor, Scope
from lichen.engine.journal.journal import Journal
from lichen.log.log import Log
from lichen.runtime.servers.definitions import Definitions
from lichen.runtime.servers.reaching import Reach
from lichen.runtime.servers.standing import Standings
from lichen.runtime.servers.vouching import Vouching
from lichen.tools.mcp.definition import Definition, defined, spec_of

if TYPE_CHECKING:
    from lichen.tools.mcp.connection import Connection

LISTING_S: Final = 20.0  # for whoever only wants to know what there is
LOOK_S: Final = 60.0  # at a server, at the start


class Accepted(NamedTuple):
    """What a scope has as long as the definitions that stand in its log are these."""

    standing: Mapping[str, Standing]
    version: int
    tools: Mapping[str, Mapping[str, Tool]]  # by server, by the name that the server gives it


class Seen(msgspec.Struct, frozen=True):
    """What a server offers: tools that are on, that wait to be judged, and those left out with reasons."""

    server: str
    on: tuple[str, ...]
    waiting: tuple[str, ...]
    left_out: Mapping[str, str]


class Lists(NamedTuple):
    """What a server offers: as it says now, or as it said last, where it cannot be asked. `origin` names the server
    and what it is: `mcp:books`, `registry:partner`."""

    origin: str
    tools: tuple[Definition, ...]
    is_old: bool = False


class Servers:
    """Implements `Remote` for what `of` says that a scope has.

    `check` raises Invalid where policies of a scope would not load with an offer; `changed` is told where tools did.
    `stands` reads what stands in the log, `definitions` writes it down, `reach` has the connections.
    """

    def __init__(
        self,
        of: Callable[[Scope], Mapping[str, Server]],
        log_of: Callable[[Scope], Log],
        journal_of: Callable[[Scope], Journal],
        secrets: Secrets,
        store: SecretStore,
        new_id: Callable[[str], str],
        check: Callable[[Scope, Offer], object],
        changed: Callable[[Scope], object],
        vouching: Vouching,
    ) -> None:
        self._of, self._log_of = of, log_of
        self._check, self._changed = check, changed
        self.vouching = vouching
        self.stands = Standings(of, log_of)
        self.reach = Reach(of, log_of, secrets, store, new_id, vouching.clock)
        self.definitions = Definitions(self.stands, journal_of, self.reach.table, vouching, self._fits, new_id)
        self._accepted: dict[Scope, Accepted] = {}
        self._last: dict[tuple[Scope, str], tuple[Definition, ...]] = {}  # what each server said last
        self._looking: set[asyncio.Task[object]] = set()

    def standing(self, scope: Scope) -> Mapping[str, Standing]:
        """How every definition stands that a scope ever met, as `kind:name`."""
        return self.stands.all(scope)

    def connection(self, scope: Scope, server: str, by: Actor | None = None) -> Connection:
        """The connection to a server, as `Reach.connection` has it."""
        return self.reach.connection(scope, server, by)

    # -- what agents and policies have ---------------------------------------------------------------------------

    def tools(self, scope: Scope, wanted: RemoteTools, /) -> tuple[Tool, ...]:
        """Those of the wanted tools that were accepted in the scope, by name."""
        found = self._now(scope).tools.get(wanted.server, {})
        named = [name for name in wanted.only if name in found] if wanted.only else sorted(found)
        return tuple(found[name] for name in named if name not in wanted.without)

    def offer(self, scope: Scope, /) -> Offer:
        """The servers of the scope, and the contracts of what was accepted of them."""
        specs = [tool.spec for each in self._now(scope).tools.values() for tool in each.values()]
        return Offer(frozenset(self._of(scope)), tuple(sorted(specs, key=_name)))

    def offer_with(self, scope: Scope, name: str, data: bytes) -> Offer:
        """What would be offered were this the definition of the tool. Raises NotFound (`server_unknown`)."""
        server = self.reach.table(scope, name.partition(".")[0])
        spec = spec_of(server, defined(server.name, msgspec.json.decode(data)))
        now = self.offer(scope)
        return now._replace(specs=(*(each for each in now.specs if each.name != name), spec))

    def version(self, scope: Scope, /) -> int:
        """Another number each time that what was accepted changed."""
        return self._now(scope).version

    def _now(self, scope: Scope) -> Accepted:
        standing, known = self.stands.all(scope), self._accepted.get(scope)
        if known is None or known.standing is not standing:
            version = 0 if known is None else known.version + 1
            tools = {name: self._tools(scope, server) for name, server in self._of(scope).items()}
            known = self._accepted[scope] = Accepted(standing, version, tools)
        return known

    def _tools(self, scope: Scope, server: Server) -> Mapping[str, Tool]:
        from lichen.tools.mcp.listing import takes
        from lichen.tools.mcp.offered.prompts import prompt_tools
        from lichen.tools.mcp.offered.resources import resource_tools
        from lichen.tools.mcp.remote_tool import RemoteTool

        self.connection(scope, server.name)  # what is wrong in its table stops the start
        reached = self.reach.for_each(scope, server)
        tools: dict[str, Tool] = {}
        for definition in self.stands.pinned(scope, server.name):
            pinned_n = self.stands.of(scope, definition.name).pinned_n
            if takes(server, definition.tool) and not self.stands.lacks_signature(scope, server.name, pinned_n):
                spec = spec_of(server, definition)
                tools[definition.tool] = RemoteTool(spec, definition, reached, self.definitions.differs)
        return {**tools, **resource_tools(server, reached), **prompt_tools(server, reached)}

    def _fits(self, scope: Scope, definition: Definition) -> bool:
        """Whether the policies of the scope load with it: what they do not is for somebody to look at."""
        try:
            self._check(scope, self.offer_with(scope, definition.name, definition.data))
        except Invalid:
            return False
        return True

    # -- what servers offer --------------------------------------------------------------------------------------

    async def listed(self, scope: Scope) -> tuple[Lists, ...]:
        """What every server of a scope offers; those that do not answer in their time, or that nobody signed in at,
        as they said last, or as is pinned of them. Nothing is written down."""
        return tuple(await asyncio.gather(*(self._listed(scope, each) for each in self._of(scope).values())))

    async def _listed(self, scope: Scope, server: Server) -> Lists:
        from lichen.tools.mcp.listing import takes

        origin, key = f"{server.kind}:{server.name}", (scope, server.name)
        try:
            offered = await asyncio.wait_for(self.connection(scope, server.name).offered(), LISTING_S)
        except Exception:  # noqa: BLE001 - whatever is wrong with a stranger's server, the others are listed
            known = self._last.get(key) or self.stands.pinned(scope, server.name)
            return Lists(origin, tuple(each for each in known if takes(server, each.tool)), is_old=True)
        self._last[key] = tuple(offered.tools.values())
        return Lists(origin, self._last[key])

    async def look(self, scope: Scope, server: str, by: Actor | None = None) -> Seen:
        """Asks a server what it offers, as somebody where each has their own connection, and writes down what is new.
        Raises NotFound, Unavailable, Invalid."""
        offered = await self.connection(scope, server, by).offered(anew=True)
        table = self._of(scope)[server]
        voucher = await self.vouching.voucher(table)
        told: dict[str, list[str]] = {"on": [], "waiting": []}
        left_out = dict(offered.left_out)
        known = self.version(scope)
        for name, definition in offered.tools.items():
            state = self.definitions.looked(scope, table, definition, voucher)
            if state in told:
                told[state].append(name)
            elif state:
                left_out[name] = state
        await self._log_of(scope).durable_stream(TENANT_STREAM)
        if self.version(scope) != known:
            self._changed(scope)
        return Seen(server, tuple(told["on"]), tuple(told["waiting"]), left_out)

    def begin(self, scopes: tuple[Scope, ...]) -> None:
        """Looks at every server of these scopes, beside whatever else goes on."""
        for scope in scopes:
            for server in self._of(scope):
                self.connection(scope, server)  # what is wrong in its table stops the start
                task = asyncio.ensure_future(self._look(scope, server))
                self._looking.add(task)
                task.add_done_callback(self._looking.discard)

    async def _look(self, scope: Scope, server: str) -> None:
        try:
            await asyncio.wait_for(self.look(scope, server), LOOK_S)
        except Exception:  # noqa: BLE001 - it is looked at again with the first call, which then says what is wrong
            return

    async def close(self) -> None:
        """Ends every connection, and every process that was started for one."""
        for task in tuple(self._looking):
            task.cancel()
        if self._looking:
            await asyncio.wait(self._looking)
        await self.reach.close()


def _name(spec: ToolSpec) -> ToolName:
    return spec.name
