"""What models cost: a price, and whoever knows those of models."""

from __future__ import annotations

from typing import Annotated, Protocol

import msgspec

from lichen.core.words.limits import Usage

UsdPerMillion = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars for a million tokens: read, written, read from the provider's cache and put there, the last two as
    what is read where they are left out."""

    input: UsdPerMillion
    output: UsdPerMillion
    cached: UsdPerMillion | None = None
    cache_write: UsdPerMillion | None = None

    def of(self, usage: Usage) -> float:
        """What this usage costs, in millionths of a US dollar."""
        fresh = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        read = fresh * self.input + usage.cached_tokens * cached + usage.cache_write_tokens * written
        return read + usage.output_tokens * self.output


class Prices(Protocol):
    """What models cost."""

    def cost(self, model: str, usage: Usage) -> int | None:
        """What this usage of `provider:model` costs, in millionths of a US dollar, rounded up. None where no price is
        known."""
        ...
