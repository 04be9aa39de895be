"""What other people's servers offer to a tenant's agents: how it stands, where it changed, and the judgement.

A program or an agent judges nothing: only an operator's word turns on what a stranger wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.streams import SYSTEM
from lichen.core.deciders.streams import Definition as Standing
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Conflict, ContentErased, Denied, NotFound
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.log.records.record import Record
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.names import name_of
from lichen.runtime.project.policies import InForce
from lichen.runtime.servers.servers import Seen, Servers
from lichen.runtime.servers.suspicions import Suspicions
from lichen.tools.scan.difference import difference
from lichen.tools.scan.finding import Finding
from lichen.tools.vouching.signature import Signature, kept

State = Literal["on", "changed", "waiting", "rejected", "revoked"]
"""On as it is pinned, whatever somebody submitted meanwhile; off because it changed; off because nobody judged it yet;
off because somebody said no; off because the key that signed it was taken back."""


AGENT: Final = "agent:"
JUDGED: Final = ("tool:", AGENT)


class ToolStanding(msgspec.Struct, frozen=True):
    """How a tool of a server stands, or as `agent:DOMAIN` the key of a domain whose agents come in. `pinned` and
    `waiting` are digests of definitions, or the thumbprints of keys, empty where there is none. What is suspicious in
    the definition that waits is counted in `findings`, and `gravest` is the worst of it."""

    name: str
    server: str
    state: State
    pinned: str
    waiting: str
    findings: int = 0
    gravest: str = ""


class ToolOffer(msgspec.Struct, frozen=True):
    """A tool of a server with both definitions, the lines in which they differ, and its standing.

    `findings` say what is suspicious in the definition that waits, or else in the pinned one: advice, by which nothing
    is decided. `pinned_by` is whoever turned it on, `system` for the first look, empty where nothing is pinned. Times
    are microseconds since 1970, 0 where there is none.
    `signature` says whose key signed that definition, where the project asks for one; of a tool that is off because
    its key was taken back, that key.
    """

    standing: ToolStanding
    pinned: Mapping[str, Any] | None
    waiting: Mapping[str, Any] | None
    difference: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    pinned_by: str = ""
    pinned_at_us: int = 0
    waiting_since_us: int = 0
    signature: Signature | None = None


class ServerTools:
    """Shows and judges. Every operation raises Denied."""

    def __init__(
        self,
        engine: Engine,
        access: Access,
        servers: Servers,
        in_force: InForce,
        suspicions: Suspicions,
    ) -> None:
        self._engine, self._access = engine, access
        self._servers, self._in_force = servers, in_force
        self._suspicions = suspicions

    def list(self, scope: Scope, actor: Actor) -> tuple[ToolStanding, ...]:
        """Every tool that a server of the scope ever offered, and every domain whose agents came, by name."""
        self._access.ask("tool.read", scope, actor, EVERYTHING)
        found = self._servers.standing(scope).items()
        tools = [(name.removeprefix("tool:"), each) for name, each in found if name.startswith(JUDGED)]
        return tuple(
            _standing(name, each, self._waits_with(scope, name, each)) for name, each in sorted(tools, key=_first)
        )

    def servers(self, scope: Scope, actor: Actor) -> tuple[str, ...]:
        """The servers that are configured for the scope, by name."""
        self._access.ask("tool.read", scope, actor, EVERYTHING)
        return tuple(sorted(self._servers.offer(scope).servers))

    def waiting(self, scope: Scope, actor: Actor) -> int:
        """How many definitions wait for somebody's judgement."""
        self._access.ask("tool.read", scope, actor, EVERYTHING)
        return sum(bool(each.submitted) for each in self._servers.standing(scope).values())

    def show(self, scope: Scope, name: str, actor: Actor) -> ToolOffer:
        """What is pinned, what waits, and where they differ. Raises NotFound (`tool_unknown`)."""
        self._access.ask("tool.read", scope, actor, About(name))
        standing = self._found(scope, name)
        log = self._engine.journal(scope).log
        pin = log.record(TENANT_STREAM, standing.pinned_n) if standing.pinned else None
        wait = log.record(TENANT_STREAM, standing.submitted_n) if standing.submitted else None
        pinned, waiting = self._said(scope, pin), self._said(scope, wait)
        n = standing.submitted_n or standing.pinned_n or standing.revoked_n
        return ToolOffer(
            _standing(name, standing, self._waits_with(scope, name, standing)),
            pinned,
            waiting,
            difference(pinned, waiting),
            self._suspicions.of(scope, name, waiting or pinned if _kind(name) == "tool" else None),
            name_of(log, pin.actor) if pin is not None else "",
            pin.ts_us if pin is not None else 0,
            wait.ts_us if wait is not None else 0,
            self._servers.stands.signature(scope, n) if n else None,
        )

    async def look(self, scope: Scope, server: str, actor: Actor) -> Seen:
        """Asks a server what it offers now. Raises NotFound (`server_unknown`), Unavailable (`server_unreachable`)."""
        self._access.ask("tool.look", scope, actor, About(server))
        return await self._servers.look(scope, server, actor)

    async def accept(self, scope: Scope, name: str, digest: str, actor: Actor, *, reason: str = "") -> ToolStanding:
        """Turns a tool on as the definition with this digest says, which is the one that waits, and which its domain
        still vouches for where one has to.

        Raises Conflict (`definition_changed`, `signature_missing`, `signature_refused`), Unavailable (`domain_silent`),
        Invalid where the scope's policies do not load with it; nothing changes then.
        """
        ruling = self._ask(scope, name, actor)
        standing = self._waiting(scope, name, digest)
        signature = await self._signed(scope, name, standing.submitted_n) if _kind(name) == "tool" else b""
        standing = self._waiting(scope, name, digest)  # somebody may have judged while the domain was asked
        data = self._data(scope, standing.submitted_n)
        named = _key(name).partition(":")[2]
        if _kind(name) == "tool":
            self._in_force.check(scope, self._servers.offer_with(scope, name, data))
        by, new_id = self._engine.journal(scope).log.name(actor), self._engine.services.new_id
        told = moves.as_contents([("reason", reason.encode())], RETENTION)
        defined = moves.as_contents([("definition", data), ("signature", signature)], RETENTION)
        reviewed = e.Reviewed(_kind(name), named, digest, "accepted", by, new_id("review"), ruling)
        pinned = e.Pinned(_kind(name), named, digest, by, new_id("pin"), ruling)
        await self._write(scope, (e.Draft(reviewed, told), e.Draft(pinned, defined)), by)
        return _standing(name, self._found(scope, name))

    async def _signed(self, scope: Scope, name: str, n: int) -> bytes:
        """The signature of a definition as its domain vouches for it now; empty where none has to."""
        if self._servers.stands.lacks_signature(scope, name.partition(".")[0], n):
            step = "Ask its author to sign it, or take `schemapin` out of the server's table in lichen.toml."
            raise Conflict("Its domain did not sign it.", code="signature_missing", place=name, next_step=step)
        return kept(await self._servers.definitions.vouched_anew(scope, name, n))

    async def reject(self, scope: Scope, name: str, digest: str, actor: Actor, *, reason: str = "") -> ToolStanding:
        """Says no to the definition with this digest: to the one that waits, or to the one that is pinned, whose tool
        is off from now on. Raises Conflict (`definition_changed`)."""
        ruling = self._ask(scope, name, actor)
        standing = self._found(scope, name)
        if digest not in (standing.submitted, standing.pinned) or not digest:
            raise _changed(name)
        by, new_id = self._engine.journal(scope).log.name(actor), self._engine.services.new_id
        told = moves.as_contents([("reason", reason.encode())], RETENTION)
        named = _key(name).partition(":")[2]
        reviewed = e.Reviewed(_kind(name), named, digest, "rejected", by, new_id("review"), ruling)
        await self._write(scope, (e.Draft(reviewed, told),), by)
        return _standing(name, self._found(scope, name))

    def _ask(self, scope: Scope, name: str, actor: Actor) -> e.Ruling | None:
        ruling = self._access.ask("tool.review", scope, actor, About(name))
        if actor.kind != "operator":
            raise Denied("Only an operator judges what a stranger's server offers.", code="operator_needed")
        return ruling

    async def _write(self, scope: Scope, drafts: tuple[e.Draft, ...], by: str) -> None:
        journal = self._engine.journal(scope)
        journal.append({TENANT_STREAM: drafts}, actor=by)
        await journal.log.durable_stream(TENANT_STREAM)
        self._in_force.load(scope)

    def _found(self, scope: Scope, name: str) -> Standing:
        found = self._servers.standing(scope).get(_key(name))
        if found is None:
            step = "`lichen tools list` names those that were ever offered here; `lichen tools look SERVER` asks it."
            raise NotFound("No server offered a tool of this name here.", code="tool_unknown", next_step=step)
        return found

    def _waiting(self, scope: Scope, name: str, digest: str) -> Standing:
        standing = self._found(scope, name)
        if not digest or standing.submitted != digest:
            raise _changed(name)
        return standing

    def _waits_with(self, scope: Scope, name: str, standing: Standing) -> tuple[Finding, ...]:
        """What is suspicious in the definition that waits."""
        if _kind(name) != "tool":
            return ()
        known = self._suspicions.kept(scope, name, standing.submitted)
        if known is not None or not standing.submitted:
            return known or ()
        said = self._said(scope, self._engine.journal(scope).log.record(TENANT_STREAM, standing.submitted_n))
        return self._suspicions.keep(scope, name, standing.submitted, self._suspicions.of(scope, name, said))

    def _data(self, scope: Scope, n: int) -> bytes:
        return self._engine.journal(scope).log.contents(TENANT_STREAM, n)["definition"]

    def _said(self, scope: Scope, record: Record | None) -> Mapping[str, Any] | None:
        if record is None:
            return None
        try:
            return msgspec.json.decode(self._data(scope, record.n))
        except ContentErased:
            return None


def _kind(name: str) -> Literal["tool", "agent"]:
    """What kind of thing is judged under a name."""
    return "agent" if name.startswith(AGENT) else "tool"


def _key(name: str) -> str:
    """What the log calls a definition by: tools have no colon in their names."""
    return name if name.startswith(AGENT) else f"tool:{name}"


def _changed(name: str) -> Conflict:
    step = f"Look at what waits now: `lichen tools show {name}`."
    return Conflict("This is not the definition that waits.", code="definition_changed", place=name, next_step=step)


def _first(tool: tuple[str, Standing]) -> str:
    return tool[0]


def _standing(name: str, standing: Standing, found: tuple[Finding, ...] = ()) -> ToolStanding:
    state: State = "on"
    if standing.submitted and not (standing.pinned and standing.submitted_by != SYSTEM):
        state = "changed" if standing.pinned else "waiting"
    elif not standing.pinned:
        state = "revoked" if standing.revoked else "rejected"
    gravest = found[0].severity if found else ""
    server = name.removeprefix(AGENT) if name.startswith(AGENT) else name.partition(".")[0]
    return ToolStanding(name, server, state, standing.pinned, standing.submitted, len(found), gravest)
