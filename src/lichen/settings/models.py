"""What `[models]` says: what of requests is kept, and what models cost that no list has a price of."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lichen.core.ports.prices import Price


class Models(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How models are asked, whoever asks them.

    `keep_requests`: what they were sent, and replies that did not become a plan, stand sealed in the log. `prices` are
    by `provider:model`, and come before those that are known.
    """

    keep_requests: bool = True
    prices: Mapping[str, Price] = {}
