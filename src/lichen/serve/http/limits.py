"""How often somebody may ask: a bucket of tokens for each address or key, and how many things may be open at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from starlette.requests import HTTPConnection

from lichen.core.words.errors import TooMany

NAMES_MAX = 20_000


def loop_time() -> float:
    """Seconds on the running loop's clock, which never goes back."""
    return asyncio.get_running_loop().time()


def client_of(request: HTTPConnection) -> str:
    """Who asks, as far as the network tells: one name for all addresses that one customer has. Empty on a socket."""
    return network_of(request.client.host) if request.client is not None else ""


@lru_cache(NAMES_MAX)
def network_of(address: str) -> str:
    """Whom an address stands for: itself, or the /64 of IPv6, of which one customer has all."""
    try:
        whole = IPv6Address(address.partition("%")[0])
    except AddressValueError:
        return address
    mapped = whole.ipv4_mapped
    return str(mapped) if mapped is not None else whole.packed[:8].hex()


class Rates:
    """Buckets by name: `burst` requests at once, then `per_s` in every second. Those longest unused are forgotten."""

    def __init__(self, *, per_s: float, burst: int, clock: Callable[[], float] = loop_time) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, amount: float = 1.0, *, code: str = "too_many_requests") -> None:
        """Takes one token, or so many. Raises TooMany, under this code, when there are not enough."""
        now_s, buckets = self._clock(), self._buckets
        tokens, since_s = buckets.get(name, (float(self._burst), now_s))
        left = min(self._burst, tokens + (now_s - since_s) * self._per_s)
        if left < amount:
            wait_s = (amount - left) / self._per_s
            raise TooMany("That is too much in a short time.", code=code, retry_after_s=wait_s)
        buckets[name] = (left - amount, now_s)
        buckets.move_to_end(name)
        if len(buckets) > NAMES_MAX:
            buckets.popitem(last=False)


class Slots:
    """How many of something may be open at once: `most` in all, `most_each` for one name."""

    def __init__(self, *, most: int, most_each: int) -> None:
        self._most, self._most_each = most, most_each
        self._taken: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many are open."""
        return self._count

    def check(self, name: str) -> None:
        """Whether there is one left for `name`. Raises TooMany (`all_taken`)."""
        if len(self) >= self._most or self._taken.get(name, 0) >= self._most_each:
            raise TooMany("As many of these are under way as may be.", code="all_taken", retry_after_s=5.0)

    @contextmanager
    def holding(self, name: str) -> Generator[None]:
        """Takes one for `name` while the context lasts."""
        self.enter(name)
        try:
            yield
        finally:
            self.leave(name)

    def enter(self, name: str) -> None:
        """Takes one for `name` until it leaves."""
        self._taken[name] = self._taken.get(name, 0) + 1
        self._count += 1

    def leave(self, name: str) -> None:
        """Gives back one that `name` took."""
        self._count -= 1
        self._taken[name] -= 1
        if not self._taken[name]:
            del self._taken[name]
