"""Whose key signed what a server offers, where the project names a domain: looked up when the server is looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lichen.core.remote.server import Server
from lichen.runtime.servers.dns import Dns
from lichen.tools.mcp.definition import Definition
from lichen.tools.vouching.signature import UNASKED, Signature, Vouched

if TYPE_CHECKING:
    from lichen.tools.pins.resolvers import Fetch, Txt
    from lichen.tools.pins.result import Verified
    from lichen.tools.pins.signed import Signed
    from lichen.tools.pins.verify import Issuer


class Voucher:
    """What is known, in this moment, of the domain that is to have signed; nothing where no one is."""

    def __init__(self, issuer: Issuer | Verified | None, now: datetime) -> None:
        self._issuer, self._now = issuer, now

    @property
    def is_asked(self) -> bool:
        """Whether a signature is wanted at all."""
        return self._issuer is not None

    def of(self, definition: Definition, before: Signature | None) -> Vouched:
        """Whether the domain signed a definition; `before` is the signature of the one that is pinned."""
        from lichen.tools.vouching.issuers import vouched

        return UNASKED if self._issuer is None else vouched(definition, self._issuer, before, self._now)

    def takes_back(self, before: Signature | None) -> bool:
        """Whether the domain takes back the key that signed what is pinned."""
        from lichen.tools.vouching.issuers import taken_back

        return self._issuer is not None and taken_back(self._issuer, before)


class Vouching:
    """Looks up domains. `fetch` gets what is at an https address, `clock` counts microseconds, `txt` makes who asks a
    resolver."""

    def __init__(self, fetch: Callable[[], Fetch], clock: Callable[[], int], txt: Callable[[str], Txt] = Dns) -> None:
        self._fetch, self.clock, self._txt = fetch, clock, txt

    async def voucher(self, server: Server) -> Voucher:
        """Who vouches for a server's tools. Raises Invalid for a trust bundle that is none."""
        now = self._now()
        if not server.schemapin:
            return Voucher(None, now)
        from lichen.tools.vouching.issuers import issuer_of

        txt = self._txt(server.schemapin_dns) if server.schemapin_dns else None
        return Voucher(await issuer_of(server, self._fetch(), txt), now)

    async def check(self, signed: Signed, url: str) -> Verified:
        """Whether the key at an https address signed a schema, as far as its domain tells. Nothing is pinned by it."""
        from lichen.tools.vouching.issuers import checked

        return await checked(signed, url, self._fetch(), self._now())

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock() / 1_000_000, UTC)


def https() -> Fetch:
    """The way to public addresses."""
    from lichen.runtime.servers.https import Https

    return Https()
