"""How much a tenant, one of its conversations and one address may have written: words, no counting."""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=2**50)]

MIB = 1024 * 1024
GIB = 1024 * MIB


class Quotas(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of what customers and services of a tenant have written; operators have none.

    `bytes_per_day` is what the tenant's log may grow by in a day (UTC) in each environment. What one address may cause
    of that, in a day, is estimated from its messages.
    """

    messages_per_minute: Count = 120  # of one conversation
    messages_per_minute_address: Count = 1_200
    messages_per_minute_tenant: Count = 60_000
    bytes_per_day: Count = 20 * GIB
    bytes_per_day_address: Count = GIB
