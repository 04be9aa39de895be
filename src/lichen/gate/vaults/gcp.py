"""Google Secret Manager: what the source names first is the project; of a name `.` and `/` are hyphens."""

from __future__ import annotations

from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

from lichen.core.ports.secrets import Secret, Source
from lichen.core.remote.stores import GcpStore
from lichen.core.words.errors import Invalid, LichenError
from lichen.gate.vaults.address import address_of, secret_of
from lichen.gate.vaults.calls import ANSWER_S, is_loopback, library, refused, unknown, unreached

EXTRA: Final = "gcp-secrets"
WHAT: Final = "Google Secret Manager"
LATEST: Final = "latest"


class Gcp:
    """The projects that the process's identity may read, for many threads."""

    def __init__(self, store: GcpStore) -> None:
        self._store = store
        self._library = library("google.cloud.secretmanager_v1", EXTRA, "google", "urllib3")
        self._errors = library("google.api_core.exceptions", EXTRA)
        self._auth = library("google.auth.exceptions", EXTRA)
        self._making = Lock()
        self._made: Any = None

    def read(self, source: Source, name: str) -> Secret:
        """The secret as it is now. Raises NotFound, Unavailable."""
        try:
            at = address_of(source, name, join="-" if "/" in source.detail else "/", spell="./")
            project, _, secret = at.path.partition("/")
            asked = f"projects/{project}/secrets/{secret}/versions/{at.version or LATEST}"
            said = self._client().access_secret_version(name=asked, retry=None, timeout=ANSWER_S)
            return secret_of(bytes(said.payload.data), said.name.rpartition("/")[2], at.field)
        except LichenError:
            raise
        except (self._errors.NotFound, self._errors.FailedPrecondition):  # the second: disabled, or destroyed
            raise unknown(WHAT) from None
        except (self._errors.ServerError, self._errors.TooManyRequests):
            raise unreached(WHAT) from None
        except (self._errors.ClientError, self._auth.DefaultCredentialsError):
            raise refused(WHAT) from None
        except Exception:  # noqa: BLE001 - what a library says in an error may be a value
            raise unreached(WHAT) from None

    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                self._made = self._opened()
            return self._made

    def _opened(self) -> Any:
        """A client over HTTP, which goes through proxies as everything else does. One on this machine stands in for
        Google, and is not signed in to."""
        parts = urlsplit(self._store.url or "https://secretmanager.googleapis.com")
        credentials = None
        if parts.scheme != "https":
            if not is_loopback(parts.hostname or ""):
                step = "Give `url` under [secrets.gcp] in lichen.toml as https://."
                message = "Google Secret Manager is reached without TLS."
                raise Invalid(message, code="secret_store_insecure", next_step=step)
            credentials = library("google.auth.credentials", EXTRA).AnonymousCredentials()
        transports = library("google.cloud.secretmanager_v1.services.secret_manager_service.transports", EXTRA)
        over = transports.SecretManagerServiceRestTransport(
            host=parts.netloc, url_scheme=parts.scheme, credentials=credentials
        )
        return self._library.SecretManagerServiceClient(transport=over)
