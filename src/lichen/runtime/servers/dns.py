"""TXT records as a resolver tells them. That it tells nothing is not taken for there being none.

Source: RFC 1035; RFC 6763 section 6.1 (strings of a TXT record).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from lichen.core.remote.server import SYSTEM_DNS
from lichen.core.words.errors import Unavailable
from lichen.settings.servers import resolver_place

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

WHOLE_S: Final = 5.0
RECORDS_MAX: Final = 64


class Dns:
    """Asks one resolver: `system`, or one at an address, with its port where that is not 53. A `Txt` of the pins."""

    def __init__(self, at: str, *, whole_s: float = WHOLE_S) -> None:
        self._at, self._whole_s = at, whole_s

    async def __call__(self, name: str, /) -> Iterable[str]:
        """The TXT records of a name; none where the resolver says that there are none. Raises Unavailable
        (`dns_failed`) where it says nothing, or something else."""
        try:
            from dns.exception import DNSException
            from dns.resolver import NXDOMAIN, NoAnswer
        except ImportError:
            step = "Install Lichen with its extra `dns`, in a clone with `pip install '.[dns]'`."
            raise Unavailable("Nothing is installed that asks the DNS.", code="dns_failed", next_step=step) from None
        try:
            answer = await self._resolver().resolve(f"{name}.", "TXT", search=False)
        except (NXDOMAIN, NoAnswer):
            return ()
        except (DNSException, OSError, ValueError) as error:
            step = "Ask it with `dig TXT`; until it answers, nothing new of the domain is taken."
            told = f"The DNS does not say what the domain's key is: {type(error).__name__}."
            raise Unavailable(told, code="dns_failed", place=name, next_step=step) from None
        records = list(answer)[:RECORDS_MAX]
        return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in records)

    def _resolver(self) -> Resolver:
        from dns.asyncresolver import Resolver

        resolver = Resolver(configure=self._at == SYSTEM_DNS)
        resolver.lifetime, resolver.cache = self._whole_s, None
        if self._at != SYSTEM_DNS:
            host, resolver.port = resolver_place(self._at)
            resolver.nameservers = [host]
        return resolver
