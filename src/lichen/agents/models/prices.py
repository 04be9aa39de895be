"""The prices of models: a project's own, else those of `genai-prices`, which come with it and are asked of nobody."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Any, Final

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
    """Implements `Prices`. `own` are by `provider:model`, or by `provider:` for every model of one."""

    def __init__(self, own: Mapping[str, Price] = {}) -> None:
        self._own = own
        self._list: Any = None
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
            found = self._list.calc_price(self._asked(usage), name, provider_id=provider)
        except (ImportError, LookupError, ValueError):
            self._unlisted.add(model)
            return None
        return math.ceil(found.total_price * 1_000_000)

    def _asked(self, usage: Usage) -> Any:
        cached = min(usage.cached_tokens, usage.input_tokens)
        return self._list.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=cached,
            cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - cached),
        )
