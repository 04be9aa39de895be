"""The MCP servers of every scope: what was accepted of them stands in the scope's log, and that is what agents have.

A definition that is seen for the first time is pinned, where the project trusts a server so far, or waits to be judged.
One that differs from what is pinned always waits; until somebody accepted it the tool is off. Where the project names a
domain, only what its key signed is taken or waits at all, and what a key signed that was taken back is off until
another key signs it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.streams import SYSTEM as BY
from lichen.core.deciders.streams import Definition as Standing
from lichen.core.deciders.streams import TenantState
from lichen.core.ports.call import Tool, ToolSpec
from lichen.core.ports.model import Model
from lichen.core.ports.secrets import Secret, Secrets, SecretStore
from lichen.core.remote.server import Server, token_name
from lichen.core.remote.tools import Offer, RemoteTools
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Conflict, ContentErased, Invalid, LichenError, NotFound, Unavailable
from lichen.core.words.ids import TENANT_STREAM, ToolName
from lichen.core.words.scope import Actor, Scope
from lichen.engine.journal.journal import Journal
from lichen.log.log import Log
from lichen.runtime.given.people import Connections, ForEach, Place
from lichen.runtime.given.showing import showing
from lichen.runtime.given.vouching import Voucher, Vouching
from lichen.tools.mcp.connection import Connection
from lichen.tools.mcp.definition import SIGNED, Definition, defined, spec_of
from lichen.tools.mcp.listing import takes
from lichen.tools.mcp.offered.prompts import prompt_tools
from lichen.tools.mcp.offered.resources import resource_tools
from lichen.tools.mcp.remote_tool import RemoteTool
from lichen.tools.vouching.signature import Signature, Vouched, kept, read_kept

if TYPE_CHECKING:
    import httpx2

NOBODY = "nobody"  # never a pseudonym: nobody signs in so
LISTING_S = 20.0  # for whoever only wants to know what there is
LOOK_S = 60.0  # at a server, at the start
NAMES_MAX = 1_000  # of tools of one server that people submit
REVOKED = "tool_revoked: The key that signed it was taken back by its owner."


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


class By(NamedTuple):
    """Who writes something down, and what the gate said of that."""

    name: str
    ruling: e.Ruling | None = None


SERVER = By(BY)
"""What a server says itself is written down by the system."""


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


class Servers:
    """Implements `Remote` for what `of` says that a scope has.

    `check` raises Invalid where policies of a scope would not load with an offer; `changed` is told where tools did.
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
        self._of = of
        self._log_of = log_of
        self._journal_of = journal_of
        self._secrets, self._store = secrets, store
        self._new_id = new_id
        self._check = check
        self._changed = changed
        self.vouching = vouching
        self._connections = Connections(self._made, self._pseudonym, lambda: asyncio.get_running_loop().time())
        self._accepted: dict[Scope, Accepted] = {}
        self._last: dict[tuple[Scope, str], tuple[Definition, ...]] = {}  # what each server said last
        self._looking: set[asyncio.Task[object]] = set()

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
        server = self.connection(scope, name.partition(".")[0]).server
        spec = spec_of(server, defined(server.name, msgspec.json.decode(data)))
        now = self.offer(scope)
        return now._replace(specs=(*(each for each in now.specs if each.name != name), spec))

    def version(self, scope: Scope, /) -> int:
        """Another number each time that what was accepted changed."""
        return self._now(scope).version

    def _now(self, scope: Scope) -> Accepted:
        state = self._log_of(scope).state(TENANT_STREAM)
        assert isinstance(state, TenantState)
        known = self._accepted.get(scope)
        if known is None or known.standing is not state.definitions:
            version = 0 if known is None else known.version + 1
            tools = {name: self._tools(scope, server) for name, server in self._of(scope).items()}
            known = self._accepted[scope] = Accepted(state.definitions, version, tools)
        return known

    def _tools(self, scope: Scope, server: Server) -> Mapping[str, Tool]:
        self.connection(scope, server.name)  # what is wrong in its table stops the start
        reached = ForEach(scope, server, self._connections)
        tools: dict[str, Tool] = {}
        for definition in self.pinned(scope, server.name):
            if not takes(server, definition.tool):
                continue
            if self.lacks_signature(scope, server.name, self.standing(scope)[f"tool:{definition.name}"].pinned_n):
                continue
            tools[definition.tool] = RemoteTool(spec_of(server, definition), definition, reached, self.differs)
        return {**tools, **resource_tools(server, reached), **prompt_tools(server, reached)}

    def pinned(self, scope: Scope, server: str) -> tuple[Definition, ...]:
        """What is pinned of a server in a scope. One whose words were erased is not there any more."""
        log = self._log_of(scope)
        found: list[Definition] = []
        for name, standing in self.standing(scope).items():
            if standing.pinned and name.startswith(f"tool:{server}."):
                try:
                    data = log.contents(TENANT_STREAM, standing.pinned_n)["definition"]
                    found.append(defined(server, msgspec.json.decode(data)))
                except (ContentErased, Invalid):
                    continue
        return tuple(found)

    def signature(self, scope: Scope, n: int) -> Signature | None:
        """Whose key signed the definition in a record, as it was found then."""
        try:
            return read_kept(self._log_of(scope).contents(TENANT_STREAM, n).get("signature"))
        except ContentErased:
            return None

    def lacks_signature(self, scope: Scope, server: str, n: int) -> bool:
        """Whether the project wants a signature of the server's tools, and the definition in a record has none."""
        wanted = self._of(scope).get(server)
        found = self.signature(scope, n) if wanted is not None and wanted.schemapin else None
        return wanted is not None and wanted.schemapin != ("" if found is None else found.domain)

    def standing(self, scope: Scope) -> Mapping[str, Standing]:
        """How every definition stands that a scope ever met, as `kind:name`."""
        state = self._log_of(scope).state(TENANT_STREAM)
        assert isinstance(state, TenantState)
        return state.definitions

    # -- what servers say ----------------------------------------------------------------------------------------

    def connection(self, scope: Scope, server: str, by: Actor | None = None) -> Connection:
        """The connection of a scope to one of its servers, or of whoever `by` acts for where each has their own. Raises
        NotFound (`server_unknown`), Unavailable (`connections_full`), and Invalid for the model that it may ask."""
        return self._connections.of(scope, self._table(scope, server), by)

    def _table(self, scope: Scope, server: str) -> Server:
        table = self._of(scope).get(server)
        if table is None:
            step = f"It has: {', '.join(sorted(self._of(scope))) or 'none'}. Add [[mcp]] to lichen.toml."
            raise NotFound(f"There is no MCP server {server!r} here.", code="server_unknown", next_step=step)
        return table

    def _made(self, place: Place, table: Server) -> Connection:
        async def reveal(name: str) -> str:
            return (await self._secrets.get(place.scope, name)).reveal()

        is_nobodys = table.tokens == "person" and not place.person
        name = token_name(table.name, NOBODY if is_nobodys else place.person)
        clock, tokens = asyncio.get_running_loop().time, Kept(self._store, place.scope, name)

        async def shows() -> httpx2.Auth:
            return await showing(table, place.lent, reveal, self.vouching.clock, self._new_id)

        return Connection(table, reveal, clock, tokens, _model_of(table), shows if table.agentpin is not None else None)

    def _pseudonym(self, scope: Scope, actor: Actor) -> str:
        return self._log_of(scope).pseudonym(actor)

    async def sign_in(self, scope: Scope, server: str, token: bytes, by: Actor) -> None:
        """Keeps what somebody's own sign-in brought, for calls that are made for them and for nobody else.

        Raises NotFound (`server_unknown`), Invalid (`sign_in_unwanted`, `token_invalid`), Conflict (`secrets_full`).
        """
        table = self._table(scope, server)
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

    async def listed(self, scope: Scope) -> tuple[Lists, ...]:
        """What every server of a scope offers; those that do not answer in their time, or that nobody signed in at,
        as they said last, or as is pinned of them. Nothing is written down."""
        return tuple(await asyncio.gather(*(self._listed(scope, each) for each in self._of(scope).values())))

    async def _listed(self, scope: Scope, server: Server) -> Lists:
        origin, key = f"{server.kind}:{server.name}", (scope, server.name)
        try:
            offered = await asyncio.wait_for(self.connection(scope, server.name).offered(), LISTING_S)
        except Exception:  # noqa: BLE001 - whatever is wrong with a stranger's server, the others are listed
            known = self._last.get(key) or self.pinned(scope, server.name)
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
            state = self._looked(scope, table, definition, voucher)
            if state in told:
                told[state].append(name)
            elif state:
                left_out[name] = state
        await self._log_of(scope).durable_stream(TENANT_STREAM)
        if self.version(scope) != known:
            self._changed(scope)
        return Seen(server, tuple(told["on"]), tuple(told["waiting"]), left_out)

    def _looked(self, scope: Scope, table: Server, definition: Definition, voucher: Voucher) -> str:
        """Writes down what is new of a tool. Says `on`, `waiting`, why it is left out, or nothing for one that somebody
        said no to."""
        name, digest = definition.name, definition.digest
        standing = self.standing(scope).get(f"tool:{name}", Standing())
        before = self.signature(scope, standing.pinned_n) if standing.pinned and voucher.is_asked else None
        if voucher.takes_back(before):
            self._take_back(scope, name, standing.pinned)
            standing, before = self.standing(scope)[f"tool:{name}"], None
        vouched = voucher.of(definition, before)
        if standing.pinned == digest and (before is not None or not voucher.is_asked):
            return "on"
        if vouched.signature is None:
            return REVOKED if standing.revoked else vouched.why
        is_free = not standing.pinned and not standing.submitted
        is_known = digest == standing.revoked and self._is_another_key(scope, standing, vouched.signature)
        is_new = is_free and (is_known or not (standing.revoked or standing.rejected))
        is_same = standing.pinned == digest  # from before a signature was asked for
        if vouched.is_whole and (is_same or (is_new and table.trust == "first_use" and self._fits(scope, definition))):
            self._write(scope, e.Pinned("tool", name, digest, BY, self._new_id("pin")), definition, vouched)
            return "on"
        if digest in standing.rejected:
            return ""
        self._submit(scope, standing, definition, vouched)
        return "waiting"

    def _take_back(self, scope: Scope, name: str, digest: str) -> None:
        """Turns off a tool that a key signed which its owner took back."""
        reviewed = e.Reviewed("tool", name, digest, "rejected", BY, self._new_id("review"))
        draft = e.Draft(reviewed, moves.as_contents([("reason", REVOKED.encode())], RETENTION))
        self._journal_of(scope).append({TENANT_STREAM: (draft,)}, actor=BY)

    def _is_another_key(self, scope: Scope, standing: Standing, signature: Signature) -> bool:
        """Whether it is not the key that was taken back, which is for somebody to look at whatever its owner says of it
        now; as is any where nobody can say any more which one that was."""
        gone = self.signature(scope, standing.revoked_n)
        return gone is not None and gone.fingerprint != signature.fingerprint

    def _fits(self, scope: Scope, definition: Definition) -> bool:
        """Whether the policies of the scope load with it: what they do not is for somebody to look at."""
        try:
            self._check(scope, self.offer_with(scope, definition.name, definition.data))
        except Invalid:
            return False
        return True

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

    async def differs(self, scope: Scope, definition: Definition) -> None:
        """A server says something else of a tool than what is pinned: that waits to be judged."""
        standing = self.standing(scope).get(f"tool:{definition.name}", Standing())
        table = self.connection(scope, definition.name.partition(".")[0]).server
        voucher = await self.vouching.voucher(table)
        before = self.signature(scope, standing.pinned_n) if standing.pinned and voucher.is_asked else None
        vouched = voucher.of(definition, before)
        if vouched.signature is None:
            return
        self._submit(scope, standing, definition, vouched)
        await self._log_of(scope).durable_stream(TENANT_STREAM)

    async def submit(self, scope: Scope, server: str, told: Iterable[Definition], by: By) -> Mapping[ToolName, str]:
        """Somebody says what tools of a server will be: each waits to be judged, and none is on by that.

        Says of each `submitted`, `on` or `rejected` where it stands so already, or why its domain does not vouch for
        it. Raises NotFound (`server_unknown`), Conflict (`definitions_full`), Unavailable, Invalid.
        """
        table = self.connection(scope, server).server
        voucher = await self.vouching.voucher(table)
        told = tuple(told)
        self._check_room(scope, server, told)
        stands: dict[ToolName, str] = {}
        for definition in told:
            standing = self.standing(scope).get(f"tool:{definition.name}", Standing())
            before = self.signature(scope, standing.pinned_n) if standing.pinned and voucher.is_asked else None
            vouched = voucher.of(definition, before)
            if vouched.signature is None:
                stands[definition.name] = vouched.why
            elif definition.digest == standing.pinned:
                stands[definition.name] = "on"
            elif definition.digest in standing.rejected:
                stands[definition.name] = "rejected"
            else:
                self._submit(scope, standing, definition, vouched, by=by)
                stands[definition.name] = "submitted"
        await self._log_of(scope).durable_stream(TENANT_STREAM)
        return stands

    def _check_room(self, scope: Scope, server: str, told: Iterable[Definition]) -> None:
        """Raises Conflict where nobody may name so many more tools of a server."""
        known = {each for each in self.standing(scope) if each.startswith(f"tool:{server}.")}
        new = {f"tool:{each.name}" for each in told} - known
        if new and len(known) + len(new) > NAMES_MAX:
            why = f"The server has {NAMES_MAX} tools already that somebody ever named."
            raise Conflict(why, code="definitions_full", place=server, next_step="Look at `lichen tools list`.")

    def _submit(
        self, scope: Scope, standing: Standing, definition: Definition, vouched: Vouched, *, by: By = SERVER
    ) -> None:
        digest = definition.digest
        if digest in standing.rejected or (
            digest == standing.submitted and not self._is_news(scope, standing, vouched)
        ):
            return
        id = self._new_id("submission")
        submitted = e.Submitted("tool", definition.name, digest, standing.pinned, by.name, id, by.ruling)
        self._write(scope, submitted, definition, vouched)

    def _is_news(self, scope: Scope, standing: Standing, vouched: Vouched) -> bool:
        """Whether a definition that waits is signed by now, or by another key."""
        known, found = self.signature(scope, standing.submitted_n), vouched.signature
        if found is None or not kept(found):
            return False
        return known is None or known.fingerprint != found.fingerprint or bool(found.said and not known.said)

    async def vouched_anew(self, scope: Scope, name: str, n: int) -> Signature | None:
        """The signature of the definition in a record, as its domain vouches for it now; None where nobody has to sign.

        Raises Conflict (`signature_refused`) where the domain does not any more, Unavailable (`domain_silent`) where
        nobody can tell.
        """
        server = self.connection(scope, name.partition(".")[0]).server
        voucher = await self.vouching.voucher(server)
        if not voucher.is_asked:
            return self.signature(scope, n)
        log, standing, known = self._log_of(scope), self.standing(scope)[f"tool:{name}"], self.signature(scope, n)
        said = msgspec.json.decode(log.contents(TENANT_STREAM, n)["definition"])
        definition = defined(server.name, {**said, "_meta": {SIGNED: known.said if known is not None else None}})
        vouched = voucher.of(definition, self.signature(scope, standing.pinned_n) if standing.pinned else None)
        if vouched.signature is None:
            raise _refused(name, vouched.why)
        return vouched.signature

    def _write(self, scope: Scope, control: e.Pinned | e.Submitted, definition: Definition, vouched: Vouched) -> None:
        told = [("definition", definition.data), ("signature", kept(vouched.signature))]
        contents = moves.as_contents(told, RETENTION)
        self._journal_of(scope).append({TENANT_STREAM: (e.Draft(control, contents),)}, actor=control.by)

    # -- the end -------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Ends every connection, and every process that was started for one."""
        for task in tuple(self._looking):
            task.cancel()
        if self._looking:
            await asyncio.wait(self._looking)
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


def _refused(name: str, why: str) -> LichenError:
    """The error for what a domain does not vouch for, or of which it says nothing."""
    if why.startswith("discovery_fetch_failed"):
        step = "Try again later: nothing is accepted that nobody can vouch for."
        return Unavailable(why, code="domain_silent", place=name, next_step=step)
    step = "Reject it, or ask its author to sign it anew; `lichen tools look SERVER` then asks the server."
    return Conflict(why, code="signature_refused", place=name, next_step=step)


def _name(spec: ToolSpec) -> ToolName:
    return spec.name
