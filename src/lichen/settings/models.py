"""What `[models]` says: what of requests is kept, and what models cost that no list has a price of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from lichen.core.ports.prices import Price


class Models(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How models are asked, whoever asks them.

    `keep_requests`: what they were sent, and replies that did not become a plan, stand sealed in the log. `prices` are
    by `provider:model`, and come before those that are known; `tags`, by the same names, are what policies read of a
    model beside its name. Where a customer waits, models that fail are tried again for `patience_s` at most.
    """

    keep_requests: bool = True
    patience_s: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = 15.0
    prices: Mapping[str, Price] = {}
    tags: Mapping[str, tuple[str, ...]] = {}

    def tags_of(self, model: str) -> tuple[str, ...]:
        """The tags of a model: its own and those of all of its provider, `provider:`."""
        provider, colon, _ = model.partition(":")
        return tuple(sorted({*self.tags.get(model, ()), *self.tags.get(f"{provider}{colon}", ())}))
