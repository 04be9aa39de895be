"""One way to a model as its requests find it: they pass its breaker, take a place, and say how it went."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from lichen.agents.lanes.limiter import Limiter
from lichen.agents.lanes.window import Way, Windows
from lichen.core.ports.call import CircuitBreaker
from lichen.core.ports.model import ModelError
from lichen.tools import breaker
from lichen.tools.breaker import Breaker

TERMS: Final = CircuitBreaker(failures=5, of=5, open_s=30.0, answers=2)  # of every way: Symbiont, circuit breakers
FAILING: Final = frozenset({"model_unavailable", "model_timed_out", "model_overloaded", "model_malformed"})
"""The kinds of failure that speak against a way. That it is busy is the limiter's matter."""

_SAYS_NOTHING = frozenset({"model_rate_limited"})  # of the breaker's matter


class Lane:
    """The breaker and the places of one way, which all runs of the process share."""

    def __init__(self, way: Way, windows: Windows, clock: Callable[[], int]) -> None:
        self._way, self._clock = way, clock
        self.limiter = Limiter(way, windows, clock)
        self.breaker = Breaker()
        self._last: ModelError | None = None  # of the failures that the breaker counts

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost with it."""
        return self.limiter.is_idle and self.breaker.phase == "closed"

    @asynccontextmanager
    async def request(self, tenant: str, *, within_s: float) -> AsyncGenerator[None]:
        """Within it a request is under way, and how that ends is noted.

        Raises ModelError that took no try: `model_unavailable` while the breaker is open, `model_rate_limited` when
        there is no place in that time.
        """
        self._check()
        place = await self.limiter.place(tenant, within_s=within_s)
        error, is_answer, era = None, False, -1
        try:
            era = self._enter()
            yield
            is_answer = True
        except ModelError as raised:
            error = raised
            raise
        finally:
            self.limiter.leave(place, error if era >= 0 else None, is_answer=is_answer)
            self._note(era, error, is_answer=is_answer)

    def _check(self) -> None:
        """Nobody waits for a place on a way that is closed."""
        if breaker.admitted(self.breaker, self._clock()) is None:
            raise self._away()

    def _enter(self) -> int:
        """Passes the breaker, which may have changed in the meantime, and returns its era."""
        passed = breaker.admitted(self.breaker, self._clock())
        if passed is None:
            raise self._away()
        self.breaker = passed
        return passed.era

    def _note(self, era: int, error: ModelError | None, *, is_answer: bool) -> None:
        if error is not None and error.code in FAILING:
            self._last = error
            self.breaker = breaker.failed(self.breaker, era, self._clock(), TERMS)
        elif is_answer or (error is not None and error.code not in _SAYS_NOTHING):
            self.breaker = breaker.answered(self.breaker, era, TERMS)
        else:
            self.breaker = breaker.abandoned(self.breaker, era)

    def _away(self) -> ModelError:
        last = f" The last time: {self._last}" if self._last is not None else ""
        message = f"{self._way.model} failed again and again, and is left alone for a while.{last}"
        is_refused = self._last is not None and self._last.is_refused
        wait_s = breaker.opens_in_s(self.breaker, self._clock())
        return ModelError(
            message,
            code="model_unavailable",
            tries=0,
            retry_after_s=wait_s,
            is_refused=is_refused,
            is_left_alone=self.breaker.phase == "open",
        )
