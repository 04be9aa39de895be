"""What each token of a listed model costs, asked of its list once: from then on prices are multiplied."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from lichen.core.words.limits import Usage

Ask = Callable[[Usage], Decimal]
"""What the list says that a usage costs, in US dollars."""


class _Band(NamedTuple):
    """Prices between two thresholds: of a request that reads `input_tokens`, and of each token more, by its kind."""

    input_tokens: int
    whole: Decimal
    fresh: Decimal
    output: Decimal
    cached: Decimal
    cache_write: Decimal

    def cost(self, usage: Usage) -> Decimal:
        """What it costs, in US dollars."""
        return (
            self.whole
            + self.fresh * (usage.input_tokens - self.input_tokens)
            + self.output * usage.output_tokens
            + self.cached * usage.cached_tokens
            + self.cache_write * usage.cache_write_tokens
        )


class Rates:
    """The prices of one model at one time. Above each of `thresholds`, in tokens that are read, other prices count."""

    def __init__(self, ask: Ask, thresholds: Iterable[int] = ()) -> None:
        self._ask = ask
        self._thresholds = sorted(set(thresholds))
        self._bands: dict[int, _Band] = {}

    def cost(self, usage: Usage) -> Decimal:
        """What this usage costs, in US dollars: what the list says. Raises what the list does."""
        number = bisect_left(self._thresholds, usage.input_tokens)
        band = self._bands.get(number)
        if band is None:
            band = self._bands[number] = self._read(number)
        return band.cost(usage)

    def _read(self, number: int) -> _Band:
        """One token of each kind more than as few as there are in this band: what each adds is its price."""
        least = max(1, self._thresholds[number - 1] + 1 if number else 0)
        whole = self._ask(Usage(least, 0))
        others = (
            Usage(least + 1, 0),
            Usage(least, 1),
            Usage(least, 0, 1),
            Usage(least, 0, cache_write_tokens=1),
        )
        return _Band(least, whole, *(self._ask(usage) - whole for usage in others))
