"""What stands of other people's servers in a scope's log: what was accepted, what waits, and who signed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lichen.core.deciders.streams import Definition as Standing
from lichen.core.deciders.streams import TenantState
from lichen.core.remote.server import Server
from lichen.core.words.errors import ContentErased, Invalid
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Scope
from lichen.log.log import Log
from lichen.tools.mcp.definition import Definition, defined
from lichen.tools.vouching.signature import Signature, read_kept


class Standings:
    """Reads the logs of scopes. `of` says which servers a scope has."""

    def __init__(self, of: Callable[[Scope], Mapping[str, Server]], log_of: Callable[[Scope], Log]) -> None:
        self._of, self._log_of = of, log_of

    def all(self, scope: Scope) -> Mapping[str, Standing]:
        """How every definition stands that a scope ever met, as `kind:name`."""
        state = self._log_of(scope).state(TENANT_STREAM)
        assert isinstance(state, TenantState)
        return state.definitions

    def of(self, scope: Scope, tool: str) -> Standing:
        """How the definition of a tool stands; empty for one that nobody ever named."""
        return self.all(scope).get(f"tool:{tool}", Standing())

    def pinned(self, scope: Scope, server: str) -> tuple[Definition, ...]:
        """What is pinned of a server in a scope. One whose words were erased is not there any more."""
        found: list[Definition] = []
        for name, standing in self.all(scope).items():
            if standing.pinned and name.startswith(f"tool:{server}."):
                try:
                    found.append(defined(server, self.said(scope, standing.pinned_n)))
                except (ContentErased, Invalid):
                    continue
        return tuple(found)

    def said(self, scope: Scope, n: int) -> Any:
        """The definition in a record, as its server said it. Raises ContentErased."""
        return msgspec.json.decode(self._log_of(scope).contents(TENANT_STREAM, n)["definition"])

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
