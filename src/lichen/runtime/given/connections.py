"""How models are reached on behalf of a scope: what the settings say of their provider, with the key as it is now."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

import msgspec

from lichen.agents.clouds.hosts import host_of
from lichen.agents.providers.facts import PROVIDERS
from lichen.core.ports.model import Connection, HeldKey, ModelError
from lichen.core.ports.secrets import Secret, Secrets
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
        """The connection of a scope to a provider.

        Raises ModelError (`model_key_missing`, `model_key_elsewhere`, `model_unavailable`).
        """
        table = self._table_of(scope, provider)
        self._check_address(table, provider)
        key, held = await self._key(table, provider, scope)
        connection = Connection(
            key=key,
            base_url=table.base_url or "",
            options=dict(table.options),
            tries=_UNSAID.tries if table.tries is None else table.tries,
            timeout_s=_UNSAID.timeout_s if table.timeout_s is None else table.timeout_s,
            is_keyless=table.key == NO_KEY,
        )
        self._salt = self._salt or await asyncio.to_thread(self._salt_of)
        identity = self._identity(provider, connection)
        if held is None:
            return msgspec.structs.replace(connection, identity=identity)
        facts = PROVIDERS.get(provider)
        host = host_of(connection.base_url) if facts is None else facts.host_of(connection)
        return msgspec.structs.replace(connection, identity=identity, held=msgspec.structs.replace(held, host=host))

    def secret(self, provider: str, scope: Scope) -> str:
        """The name of the secret that the key is; empty where it is none of the scope's."""
        return self._table_of(scope, provider).secret

    def _check_address(self, table: ProviderTable, provider: str) -> None:
        """Raises ModelError where a secret would go to an address that whoever set the environment chose."""
        facts = PROVIDERS.get(provider)
        if facts is None or not table.secret or table.base_url is not None:
            return
        said_by = facts.addressed_by(table.options, self._environ)
        if said_by:
            raise key_elsewhere(provider, said_by)

    async def _key(self, table: ProviderTable, provider: str, scope: Scope) -> tuple[str, HeldKey | None]:
        """The key, and which secret of the scope it is."""
        kind, _, detail = (table.key or "").partition(":")
        match kind:
            case "env":
                return self._environ.get(detail) or _missing(provider, f"Set {detail}."), None
            case "secret":
                secret = await self._secret(detail, provider, scope)
                return _text(secret, provider), HeldKey(detail, secret.version)
            case _:
                return "", None

    async def _secret(self, name: str, provider: str, scope: Scope) -> Secret:
        try:
            return await self._secrets.get(scope, name)
        except (NotFound, Invalid):
            step = f"Set it: `lichen secrets set {name} --tenant {scope.tenant} --env {scope.env}`."
            _missing(provider, step)
        except LichenError:
            message = f"The store that keeps the key for {provider} does not answer."
            raise ModelError(message, code="model_unavailable", tries=0) from None

    def _identity(self, provider: str, connection: Connection) -> str:
        """16 digits that stand for key and address, the same for everybody of one salt who shares them."""
        facts = PROVIDERS.get(provider)
        key = connection.key if facts is None else facts.key_of(connection)
        url = connection.base_url if facts is None else facts.url_of(connection)
        return hmac.new(self._salt, "\0".join((provider, url, key)).encode(), hashlib.sha256).hexdigest()[:16]


def key_elsewhere(provider: str, said_by: str) -> ModelError:
    """The error for a secret whose address a variable of the environment says, or a file of the machine."""
    message = (
        f"The key for {provider} is a secret, and {said_by} says where it would be sent. "
        f"Say `base_url` beside `key`, under [models.{provider}] in lichen.toml, or take the address out of {said_by}."
    )
    return ModelError(message, code="model_key_elsewhere", tries=0)


def _text(secret: Secret, provider: str) -> str:
    try:
        return secret.reveal()
    except Invalid:
        return _missing(provider, "The secret of that name is not text: set it anew.")


def _missing(provider: str, step: str) -> NoReturn:
    raise ModelError(f"There is no key for {provider}. {step}", code="model_key_missing", tries=0)
