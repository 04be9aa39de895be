"""Values that came from a store, as long as they may be used: while they are fresh, and while it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Scope
from lichen.gate.vaults.calls import Unreached

KEPT_MAX: Final = 1_000  # values of one source
ASKED_S: Final = 4.0
REST_US: Final = 1_000_000  # a store that did not answer is left alone for so long


class Terms(NamedTuple):
    """How long, in microseconds since it was asked for, a value is fresh, and how long it stands in for an answer."""

    fresh_us: int
    stale_us: int


class _Value(NamedTuple):
    secret: Secret
    asked_us: int


class Kept:
    """The secrets of one source. Implements `Secrets`.

    What the store says always counts: that there is no such secret, or that it is not for us, ends the use of an
    earlier value at once.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[Secret]],
        terms: Terms,
        clock: Callable[[], int],
        forgets: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._ask, self._terms, self._clock, self._forgets = ask, terms, clock, forgets
        self._values: dict[str, _Value] = {}
        self._forgotten = 0  # times
        self._rests_until_us = 0

    async def get(self, scope: Scope, name: str) -> Secret:
        """The value. Raises NotFound (`secret_unknown`), Unavailable (`secret_store_unavailable`)."""
        now = self._clock()
        held = self._within(name, self._terms.fresh_us, now)
        if held is not None:
            return held
        if 0 < self._rests_until_us - now <= REST_US:  # by a clock that may have gone back
            return self._instead(name, now, Unreached("The store of this secret did not answer a moment ago."))
        forgotten = self._forgotten
        try:
            async with asyncio.timeout(ASKED_S):
                secret = await self._ask(name)
        except (Unreached, TimeoutError) as error:
            self._rests_until_us = self._clock() + REST_US
            cause = error if isinstance(error, Unreached) else Unreached("The store of this secret takes too long.")
            return self._instead(name, self._clock(), cause)
        except LichenError:
            self._values.pop(name, None)
            raise
        if forgotten == self._forgotten:
            self._keep(name, _Value(secret, now))
        return secret

    def forget(self, name: str) -> None:
        """Uses no value any more that was read, or asked for, before this."""
        self._forgotten += 1
        self._rests_until_us = 0
        self._values.pop(name, None)
        self._forgets(name)

    def _within(self, name: str, age_us: int, now: int) -> Secret | None:
        """The value that is kept, if it was asked for less than `age_us` ago and not, by the clock, in the future."""
        value = self._values.get(name)
        return value.secret if value is not None and 0 <= now - value.asked_us < age_us else None

    def _instead(self, name: str, now: int, cause: Unreached) -> Secret:
        held = self._within(name, self._terms.stale_us, now)
        if held is None:
            self._values.pop(name, None)
            raise cause from None
        return held

    def _keep(self, name: str, value: _Value) -> None:
        self._values.pop(name, None)
        if len(self._values) >= KEPT_MAX:
            del self._values[next(iter(self._values))]  # the one that was read longest ago
        if max(self._terms) > 0:
            self._values[name] = value
