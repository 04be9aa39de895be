"""Azure Key Vault: what the source names first is the vault; of a name `.`, `_` and `/` are hyphens."""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

from lichen.core.ports.secrets import Secret, Source
from lichen.core.remote.stores import AzureStore
from lichen.core.words.errors import Invalid, LichenError
from lichen.gate.vaults.address import address_of, secret_of, unusable
from lichen.gate.vaults.calls import ANSWER_S, CONNECT_S, library, refused, unknown, unreached

EXTRA: Final = "azure-secrets"
WHAT: Final = "Azure Key Vault"
CLIENTS_MAX: Final = 64


class Azure:
    """The key vaults that the process's identity may read, for many threads."""

    def __init__(self, store: AzureStore) -> None:
        self._store = store
        self._credential: Any = None
        self._secrets = library("azure.keyvault.secrets", EXTRA, "azure", "urllib3", "msal")
        self._errors = library("azure.core.exceptions", EXTRA)
        self._making = Lock()
        self._clients: dict[str, Any] = {}

    def read(self, source: Source, name: str) -> Secret:
        """The secret as it is now. Raises NotFound, Unavailable."""
        try:
            at = address_of(source, name, join="-" if "/" in source.detail else "/", spell="._/")
            vault, _, secret = at.path.partition("/")
            said = self._client(vault).get_secret(secret, at.version or None)
            if said.value is None:
                raise unusable("is empty")
            return secret_of(said.value, said.properties.version or "", at.field)
        except LichenError:
            raise
        except self._errors.ResourceNotFoundError:
            raise unknown(WHAT) from None
        except self._errors.ClientAuthenticationError:
            raise refused(WHAT) from None
        except self._errors.HttpResponseError as error:
            status = error.status_code or 500
            raise (unreached(WHAT) if status >= 500 or status == 429 else refused(WHAT)) from None
        except Exception:  # noqa: BLE001 - what a library says in an error may be a value
            raise unreached(WHAT) from None

    def _client(self, vault: str) -> Any:
        with self._making:
            if vault not in self._clients:
                if len(self._clients) >= CLIENTS_MAX:
                    self._clients.clear()
                self._clients[vault] = self._made(vault)
            return self._clients[vault]

    def _made(self, vault: str) -> Any:
        url = self._store.url.replace("{vault}", vault)
        if not url.startswith("https://"):
            step = "Give `url` under [secrets.azure] in lichen.toml as https://."
            raise Invalid("Azure Key Vault is reached without TLS.", code="secret_store_insecure", next_step=step)
        if self._credential is None:
            self._credential = library("azure.identity", EXTRA).DefaultAzureCredential()
        return self._secrets.SecretClient(
            vault_url=url,
            credential=self._credential,
            retry_total=0,
            connection_timeout=CONNECT_S,
            read_timeout=ANSWER_S,
            connection_verify=self._store.ca or True,
        )
