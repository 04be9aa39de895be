"""The prices of models: a project's own, else those of `genai-prices`, which come with it and are asked of nobody."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

from lichen.agents.models.rates import Rates
from lichen.core.ports.prices import Price
from lichen.core.words.limits import Usage

FREE: Final = frozenset({"echo", "scripted", "recorded", "ollama"})
"""Providers that bill nobody: they are no services, or run on a machine of one's own."""

LISTED: Final[Mapping[str, str]] = {
    "openai": "openai",
    "openai-chat": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "bedrock": "aws",
    "mistral": "mistral",
    "azure": "azure",
}
"""What `genai-prices` calls our providers. Of others it is not known what they are."""


class PriceList:
    """Implements `Prices`. `own` are by `provider:model`, or by `provider:` for every model of one. `clock` says for
    which time the list is asked, in microseconds."""

    def __init__(self, own: Mapping[str, Price], clock: Callable[[], int]) -> None:
        self._own, self._clock = own, clock
        self._list: Any = None
        self._known: dict[str, _Listed] = {}
        self._unlisted: set[str] = set()

    def cost(self, model: str, usage: Usage) -> int | None:
        """What this usage of `provider:model` costs, in millionths of a US dollar, rounded up. None where no price is
        known."""
        provider, _, name = model.partition(":")
        own = self._own.get(model) or self._own.get(f"{provider}:")
        if own is not None:
            return math.ceil(own.of(usage))
        if provider in FREE:
            return 0
        listed = LISTED.get(provider)
        return None if listed is None or model in self._unlisted else self._of_list(model, listed, name, usage)

    def _of_list(self, model: str, provider: str, name: str, usage: Usage) -> int | None:
        try:
            if self._list is None:
                self._list = importlib.import_module("genai_prices")  # when a price is wanted: it reads all there are
            known = self._known.get(model)
            if known is None:
                known = self._known[model] = _Listed(self._list, name, provider)
            found = known.rates(self._clock()).cost(_plausible(usage))
        except (ImportError, LookupError, ValueError):
            self._unlisted.add(model)
            return None
        return math.ceil(found * 1_000_000)


class _Listed:
    """A model as the list knows it: it may have other prices on other days, and above so many tokens."""

    def __init__(self, listed: Any, name: str, provider: str) -> None:
        self._listed, self._name, self._provider = listed, name, provider
        self._rates: tuple[Any, Rates] | None = None
        self._model: Any = None

    def rates(self, now_us: int) -> Rates:
        """Its prices now. Raises LookupError for a model that is not listed."""
        now = datetime.fromtimestamp(now_us / 1e6, UTC)
        if self._model is None:
            self._model = self._asked(Usage(1, 1), now).model
        price = self._model.get_prices(now)
        if self._rates is None or self._rates[0] is not price:
            every = cast("dict[str, Any]", vars(price)).values()
            thresholds = (tier.start for each in every for tier in getattr(each, "tiers", ()))
            self._rates = price, Rates(lambda usage: self._asked(usage, now).total_price, thresholds)
        return self._rates[1]

    def _asked(self, usage: Usage, now: datetime) -> Any:
        asked = self._listed.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )
        return self._listed.calc_price(asked, self._name, provider_id=self._provider, genai_request_timestamp=now)


def _plausible(usage: Usage) -> Usage:
    """The usage with no more from the cache, or to it, than was read at all."""
    cached = min(usage.cached_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    return Usage(usage.input_tokens, usage.output_tokens, cached, cache_write_tokens=written)
