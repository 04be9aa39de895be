"""What servers, and people, say of tools, and what is written down of it.

A definition that is seen for the first time is pinned, where the project trusts a server so far, or waits to be judged.
One that differs from what is pinned always waits; until somebody accepted it the tool is off. Where the project names a
domain, only what its key signed is taken or waits at all, and what a key signed that was taken back is off until
another key signs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.streams import SYSTEM as BY
from lichen.core.deciders.streams import Definition as Standing
from lichen.core.remote.server import Server
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Conflict, LichenError, Unavailable
from lichen.core.words.ids import TENANT_STREAM, ToolName
from lichen.core.words.scope import Scope
from lichen.engine.journal.journal import Journal
from lichen.runtime.servers.standing import Standings
from lichen.runtime.servers.vouching import Voucher, Vouching
from lichen.tools.mcp.definition import SIGNED, Definition, defined
from lichen.tools.vouching.signature import Signature, Vouched, kept

NAMES_MAX: Final = 1_000  # of tools of one server that people submit
REVOKED: Final = "tool_revoked: The key that signed it was taken back by its owner."


class By(NamedTuple):
    """Who writes something down, and what the gate said of that."""

    name: str
    ruling: e.Ruling | None = None


SERVER: Final = By(BY)
"""What a server says itself is written down by the system."""


class Definitions:
    """Takes definitions. `table` gives a scope's server by its name, `fits` says whether its policies load with one."""

    def __init__(
        self,
        stands: Standings,
        journal_of: Callable[[Scope], Journal],
        table: Callable[[Scope, str], Server],
        vouching: Vouching,
        fits: Callable[[Scope, Definition], bool],
        new_id: Callable[[str], str],
    ) -> None:
        self._stands, self._journal_of = stands, journal_of
        self._table, self._vouching = table, vouching
        self._fits, self._new_id = fits, new_id

    # -- what a server says --------------------------------------------------------------------------------------

    def looked(self, scope: Scope, table: Server, definition: Definition, voucher: Voucher) -> str:
        """Writes down what is new of a tool. Says `on`, `waiting`, why it is left out, or nothing for one that somebody
        said no to."""
        self._take_back(scope, definition.name, voucher)
        standing, before = self._before(scope, definition.name, voucher)
        vouched = voucher.of(definition, before)
        if standing.pinned == definition.digest and (before is not None or not voucher.is_asked):
            return "on"
        if vouched.signature is None:
            return REVOKED if standing.revoked else vouched.why
        if self._is_taken(scope, table, standing, definition, vouched):
            pinned = e.Pinned("tool", definition.name, definition.digest, BY, self._new_id("pin"))
            self._write(scope, pinned, definition, vouched)
            return "on"
        if definition.digest in standing.rejected:
            return ""
        self._submit(scope, standing, definition, vouched)
        return "waiting"

    def _is_taken(
        self, scope: Scope, table: Server, standing: Standing, definition: Definition, vouched: Vouched
    ) -> bool:
        """Whether a definition is on without anybody's look."""
        if not vouched.is_whole:
            return False
        if standing.pinned == definition.digest:  # from before a signature was asked for
            return True
        if standing.pinned or standing.submitted or table.trust != "first_use":
            return False
        is_judged = bool(standing.revoked or standing.rejected)
        is_known = definition.digest == standing.revoked and self._is_another_key(scope, standing, vouched.signature)
        return (is_known or not is_judged) and self._fits(scope, definition)

    def _is_another_key(self, scope: Scope, standing: Standing, signature: Signature | None) -> bool:
        """Whether it is not the key that was taken back, which is for somebody to look at whatever its owner says of it
        now; as is any where nobody can say any more which one that was."""
        gone = self._stands.signature(scope, standing.revoked_n)
        return gone is not None and signature is not None and gone.fingerprint != signature.fingerprint

    def _take_back(self, scope: Scope, name: ToolName, voucher: Voucher) -> None:
        """Turns off a tool that a key signed which its owner took back."""
        standing, before = self._before(scope, name, voucher)
        if not voucher.takes_back(before):
            return
        reviewed = e.Reviewed("tool", name, standing.pinned, "rejected", BY, self._new_id("review"))
        draft = e.Draft(reviewed, moves.as_contents([("reason", REVOKED.encode())], RETENTION))
        self._journal_of(scope).append({TENANT_STREAM: (draft,)}, actor=BY)

    async def differs(self, scope: Scope, definition: Definition) -> None:
        """A server says something else of a tool than what is pinned: that waits to be judged."""
        server = definition.name.partition(".")[0]
        voucher = await self._vouching.voucher(self._table(scope, server))
        standing, before = self._before(scope, definition.name, voucher)
        vouched = voucher.of(definition, before)
        if vouched.signature is None:
            return
        self._submit(scope, standing, definition, vouched)
        await self._journal_of(scope).log.durable_stream(TENANT_STREAM)

    # -- what people say -----------------------------------------------------------------------------------------

    async def submit(self, scope: Scope, server: str, told: Iterable[Definition], by: By) -> Mapping[ToolName, str]:
        """Somebody says what tools of a server will be: each waits to be judged, and none is on by that.

        Says of each `submitted`, `on` or `rejected` where it stands so already, or why its domain does not vouch for
        it. Raises NotFound (`server_unknown`), Conflict (`definitions_full`), Unavailable, Invalid.
        """
        voucher = await self._vouching.voucher(self._table(scope, server))
        told = tuple(told)
        self._check_room(scope, server, told)
        stands = {each.name: self._submitted(scope, each, voucher, by) for each in told}
        await self._journal_of(scope).log.durable_stream(TENANT_STREAM)
        return stands

    def _submitted(self, scope: Scope, definition: Definition, voucher: Voucher, by: By) -> str:
        standing, before = self._before(scope, definition.name, voucher)
        vouched = voucher.of(definition, before)
        if vouched.signature is None:
            return vouched.why
        if definition.digest == standing.pinned:
            return "on"
        if definition.digest in standing.rejected:
            return "rejected"
        self._submit(scope, standing, definition, vouched, by=by)
        return "submitted"

    def _check_room(self, scope: Scope, server: str, told: Iterable[Definition]) -> None:
        """Raises Conflict where nobody may name so many more tools of a server."""
        known = {each for each in self._stands.all(scope) if each.startswith(f"tool:{server}.")}
        new = {f"tool:{each.name}" for each in told} - known
        if new and len(known) + len(new) > NAMES_MAX:
            why = f"The server has {NAMES_MAX} tools already that somebody ever named."
            raise Conflict(why, code="definitions_full", place=server, next_step="Look at `lichen tools list`.")

    async def vouched_anew(self, scope: Scope, name: str, n: int) -> Signature | None:
        """The signature of the definition in a record, as its domain vouches for it now; None where nobody has to sign.

        Raises Conflict (`signature_refused`) where the domain does not any more, Unavailable (`domain_silent`) where
        nobody can tell.
        """
        server, known = self._table(scope, name.partition(".")[0]), self._stands.signature(scope, n)
        voucher = await self._vouching.voucher(server)
        if not voucher.is_asked:
            return known
        signed = {SIGNED: known.said if known is not None else None}
        definition = defined(server.name, {**self._stands.said(scope, n), "_meta": signed})
        vouched = voucher.of(definition, self._before(scope, name, voucher)[1])
        if vouched.signature is None:
            raise _refused(name, vouched.why)
        return vouched.signature

    # -- the records ---------------------------------------------------------------------------------------------

    def _before(self, scope: Scope, name: str, voucher: Voucher) -> tuple[Standing, Signature | None]:
        """How a tool stands, and the signature of what is pinned, where one is wanted."""
        standing = self._stands.of(scope, name)
        is_wanted = bool(standing.pinned) and voucher.is_asked
        return standing, self._stands.signature(scope, standing.pinned_n) if is_wanted else None

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
        known, found = self._stands.signature(scope, standing.submitted_n), vouched.signature
        if found is None or not kept(found):
            return False
        return known is None or known.fingerprint != found.fingerprint or bool(found.said and not known.said)

    def _write(self, scope: Scope, control: e.Pinned | e.Submitted, definition: Definition, vouched: Vouched) -> None:
        told = [("definition", definition.data), ("signature", kept(vouched.signature))]
        contents = moves.as_contents(told, RETENTION)
        self._journal_of(scope).append({TENANT_STREAM: (e.Draft(control, contents),)}, actor=control.by)


def _refused(name: str, why: str) -> LichenError:
    """The error for what a domain does not vouch for, or of which it says nothing."""
    if why.startswith("discovery_fetch_failed"):
        step = "Try again later: nothing is accepted that nobody can vouch for."
        return Unavailable(why, code="domain_silent", place=name, next_step=step)
    step = "Reject it, or ask its author to sign it anew; `lichen tools look SERVER` then asks the server."
    return Conflict(why, code="signature_refused", place=name, next_step=step)
