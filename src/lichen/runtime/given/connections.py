"""How models are reached on behalf of a scope: what the settings say of their provider, with the key as it is now."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from lichen.agents.providers.facts import PROVIDERS
from lichen.core.ports.model import Connection, ModelError
from lichen.core.ports.secrets import Secrets
from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.core.words.scope import Scope
from lichen.settings.providers import NO_KEY, ProviderTable

_UNSAID: Final = Connection()


class Reaching:
    """The connections of a runtime. Keys are read at each request, so that a changed one counts at the next."""

    def __init__(
        self,
        table_of: Callable[[Scope, str], ProviderTable],
        secrets: Secrets,
        environ: Mapping[str, str],
        salt: Callable[[], bytes],
    ) -> None:
        self._table_of, self._secrets, self._environ, self._salt_of = table_of, secrets, environ, salt
        self._salt = b""

    async def of(self, provider: str, scope: Scope) -> Connection:
        """The connection of a scope to a provider. Raises ModelError (`model_key_missing`, `model_unavailable`)."""
        table = self._table_of(scope, provider)
        key = await self._key(table, provider, scope)
        connection = Connection(
            key=key,
            base_url=table.base_url or "",
            options=dict(table.options),
            tries=_UNSAID.tries if table.tries is None else table.tries,
            timeout_s=_UNSAID.timeout_s if table.timeout_s is None else table.timeout_s,
            is_keyless=table.key == NO_KEY,
        )
        self._salt = self._salt or await asyncio.to_thread(self._salt_of)
        return msgspec.structs.replace(connection, identity=self._identity(provider, connection))

    async def _key(self, table: ProviderTable, provider: str, scope: Scope) -> str:
        kind, _, detail = (table.key or "").partition(":")
        match kind:
            case "env":
                return self._environ.get(detail) or _missing(provider, f"Set {detail}.")
            case "secret":
                return await self._secret(detail, provider, scope)
            case _:
                return ""

    async def _secret(self, name: str, provider: str, scope: Scope) -> str:
        step = f"Set it: `lichen secrets set {name} --tenant {scope.tenant} --env {scope.env}`."
        try:
            return (await self._secrets.get(scope, name)).reveal()
        except (NotFound, Invalid):
            return _missing(provider, step)
        except LichenError:
            message = f"The store that keeps the key for {provider} does not answer."
            raise ModelError(message, code="model_unavailable", tries=0) from None

    def _identity(self, provider: str, connection: Connection) -> str:
        """16 digits that stand for key and address, the same for everybody of one salt who shares them."""
        facts = PROVIDERS.get(provider)
        key = connection.key if facts is None else facts.key_of(connection)
        url = connection.base_url if facts is None else facts.url_of(connection)
        return hmac.new(self._salt, "\0".join((provider, url, key)).encode(), hashlib.sha256).hexdigest()[:16]


def _missing(provider: str, step: str) -> str:
    raise ModelError(f"There is no key for {provider}. {step}", code="model_key_missing", tries=0)
