"""How many messages customers may send: of one conversation, from one address, to one tenant, and how much they weigh.

Whoever comes through the local socket is the owner of the data directory, and not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lichen.core.words.quotas import Quotas
from lichen.core.words.scope import Scope
from lichen.serve.http.limits import Rates, loop_time
from lichen.settings import Settings

DAY_S = 86_400
RECORDS_BYTES = 4_096  # what a message makes the log grow by besides its text
COPIES = 3  # of its text: the message, the run's input, the plan


class _Tenant(NamedTuple):
    conversations: Rates
    addresses: Rates
    tenant: Rates
    bytes: Rates
    webhooks: Rates
    webhook_bytes: Rates


class Messages:
    """The rates of every tenant of a project."""

    def __init__(self, settings: Settings | None, clock: Callable[[], float] = loop_time) -> None:
        self._settings, self._clock = settings, clock
        self._tenants: dict[str, _Tenant] = {}

    def take(self, scope: Scope, client: str, *, conversation: str, size: int, files: int = 0) -> None:
        """Counts a message of `size` bytes and `files` bytes of files from the address `client`.

        Raises TooMany: `messages_too_many`, `address_bytes`.
        """
        if not client:
            return
        rates = self._rates(scope)
        for rate, name in (
            (rates.conversations, conversation),
            (rates.addresses, client),
            (rates.tenant, ""),
        ):
            rate.take(name, code="messages_too_many")
        self.weigh(scope, client, size=size, files=files)

    def webhook(self, scope: Scope, size: int) -> None:
        """Counts a proven request of `size` bytes that a platform brings to any channel of the tenant.

        Raises TooMany: `webhooks_too_many`, `webhook_bytes`.
        """
        rates = self._rates(scope)
        rates.webhooks.take("", code="webhooks_too_many")
        rates.webhook_bytes.take("", size, code="webhook_bytes")

    def weigh(self, scope: Scope, client: str, *, size: int, files: int = 0) -> None:
        """Counts what else is written for an address. Raises TooMany (`address_bytes`)."""
        if client:
            self._rates(scope).bytes.take(client, RECORDS_BYTES + COPIES * size + files, code="address_bytes")

    def _rates(self, scope: Scope) -> _Tenant:
        found = self._tenants.get(scope.log_id())
        if found is None:
            found = self._tenants[scope.log_id()] = self._new(scope)
        return found

    def _new(self, scope: Scope) -> _Tenant:
        tenant = self._settings.tenants.get(scope.tenant) if self._settings is not None else None
        quotas = tenant.quotas if tenant is not None else Quotas()
        return _Tenant(
            self._of(quotas.messages_per_minute, 60),
            self._of(quotas.messages_per_minute_address, 60),
            self._of(quotas.messages_per_minute_tenant, 60),
            self._of(quotas.bytes_per_day_address, DAY_S),
            Rates(per_s=quotas.webhooks_per_second, burst=quotas.webhooks_burst, clock=self._clock),
            self._of(quotas.webhook_bytes_per_minute, 60),
        )

    def _of(self, count: int, period_s: int) -> Rates:
        return Rates(per_s=count / period_s, burst=count, clock=self._clock)
