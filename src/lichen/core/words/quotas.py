"""How much of a tenant may be written, and its models be asked: words, no counting."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=2**50)]
Usd = Annotated[float, msgspec.Meta(gt=0, le=1e9)]

MIB = 1024 * 1024
GIB = 1024 * MIB


class Quotas(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of what customers and services of a tenant have written; operators have none.

    `bytes_per_day` is what the tenant's log may grow by in a day (UTC) in each environment. What one address may cause
    of that, in a day, is estimated from its messages. `webhooks_per_second` and `webhooks_burst` are proven requests
    that platforms bring to all channels of the tenant, `webhook_bytes_per_minute` what they weigh. `file_bytes` is what
    the files of one message may have together, `file_bytes_per_day` those of all messages of a day.
    """

    messages_per_minute: Count = 120  # of one conversation
    messages_per_minute_address: Count = 1_200
    messages_per_minute_tenant: Count = 60_000
    webhooks_per_second: Count = 5
    webhooks_burst: Count = 10
    webhook_bytes_per_minute: Count = 64 * MIB
    bytes_per_day: Count = 20 * GIB
    bytes_per_day_address: Count = GIB
    file_bytes: Annotated[int, msgspec.Meta(ge=1, le=8 * MIB)] = 8 * MIB
    file_bytes_per_day: Count = 2 * GIB


class Bound(NamedTuple):
    """So many tokens, and so many millionths of a US dollar; None for as many as it takes."""

    tokens: int | None
    micro_usd: int | None


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tenant's requests to models may use in each environment: on one day (UTC), and in one session. What is
    left out has no bound but the limits of runs.

    They bind before a model is asked: a request that could pass one is made smaller, or not at all.
    """

    tokens_per_day: Count | None = None
    cost_usd_per_day: Usd | None = None
    tokens_per_session: Count | None = None
    cost_usd_per_session: Usd | None = None

    @property
    def of_day(self) -> Bound | None:
        """What one day may use, None without a bound."""
        return _bound(self.tokens_per_day, self.cost_usd_per_day)

    @property
    def of_session(self) -> Bound | None:
        """What one session may use, None without a bound."""
        return _bound(self.tokens_per_session, self.cost_usd_per_session)


def _bound(tokens: int | None, usd: float | None) -> Bound | None:
    return None if tokens is None and usd is None else Bound(tokens, None if usd is None else int(usd * 1e6))
