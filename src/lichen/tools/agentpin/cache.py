"""What is known of domains, for as long as it may be believed without asking again, and asked for by one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from lichen.tools.agentpin.directory import Directory, Known

FRESH_S: Final = 300.0
ANEW_S: Final = 30.0  # between two questions for a key that nobody knows


class _Held(NamedTuple):
    known: Known | None
    at_s: float


class Cached:
    """A place that is asked for each domain once in `fresh_s`, and for what nobody knows once in half a minute.
    `domains` are the only ones that are looked up. What cannot be had any more is not believed any longer."""

    def __init__(
        self, place: Directory, domains: frozenset[str], clock: Callable[[], float], *, fresh_s: float = FRESH_S
    ) -> None:
        self._place, self._domains, self._clock, self._fresh_s = place, domains, clock, fresh_s
        self._held: dict[str, _Held] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def known(self, domain: str, /, *, anew: bool = False) -> Known | None:
        """What is known of the domain. Raises what the place raises."""
        if domain not in self._domains:
            return None
        async with self._asking.setdefault(domain, asyncio.Lock()):
            held = self._held.get(domain)
            if held is not None and self._clock() - held.at_s < (ANEW_S if anew else self._fresh_s):
                return held.known
            found = await self._place.known(domain, anew=anew)
            self._held[domain] = _Held(found, self._clock())
            return found
