"""AWS Secrets Manager: the value in force, or the one under a stage or version that the source names."""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

from lichen.core.ports.secrets import Secret, Source
from lichen.core.remote.stores import AwsStore
from lichen.core.words.errors import Invalid, LichenError
from lichen.gate.vaults.address import Address, address_of, secret_of
from lichen.gate.vaults.calls import ANSWER_S, CONNECT_S, library, refused, unknown, unreached

EXTRA: Final = "aws-secrets"
WHAT: Final = "AWS Secrets Manager"
CURRENT: Final = "AWSCURRENT"
_GONE: Final = ("ResourceNotFoundException", "InvalidRequestException")  # the second: it is marked to be deleted
_LATER: Final = ("ThrottlingException", "InternalServiceError", "InternalServiceErrorException", "ServiceUnavailable")


class Aws:
    """One account and region, for many threads."""

    def __init__(self, store: AwsStore) -> None:
        self._store = store
        self._session = library("boto3", EXTRA, "botocore", "boto3", "urllib3").Session()
        self._errors = library("botocore.exceptions", EXTRA)
        self._making = Lock()
        self._made: Any = None

    def read(self, source: Source, name: str) -> Secret:
        """The secret as it is now. Raises NotFound, Unavailable."""
        try:
            at = address_of(source, name)
            said = self._client().get_secret_value(**_asked(at))
        except LichenError:
            raise
        except self._errors.ClientError as error:
            raise _told(error.response) from None
        except (self._errors.NoRegionError, self._errors.NoCredentialsError) as error:
            step = "Set `region` under [secrets.aws] in lichen.toml, and what every AWS client signs in with."
            message = f"AWS Secrets Manager cannot be asked ({type(error).__name__})."
            raise Invalid(message, code="secret_login_missing", next_step=step) from None
        except Exception:  # noqa: BLE001 - what a library says in an error may be a value
            raise unreached(WHAT) from None
        data: bytes | str = said["SecretString"] if "SecretString" in said else said["SecretBinary"]
        return secret_of(data, said["VersionId"], at.field)

    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                config = library("botocore.config", EXTRA).Config(
                    connect_timeout=CONNECT_S, read_timeout=ANSWER_S, retries={"max_attempts": 0}
                )
                region, url = self._store.region or None, self._store.url or None
                self._made = self._session.client("secretsmanager", region_name=region, endpoint_url=url, config=config)
            return self._made


def _asked(at: Address) -> dict[str, str]:
    """A version goes by its stage (`AWSPREVIOUS` during and after a rotation) or by its id."""
    if not at.version:
        return {"SecretId": at.path, "VersionStage": CURRENT}
    is_id = len(at.version) >= 32
    return {"SecretId": at.path, "VersionId" if is_id else "VersionStage": at.version}


def _told(response: Any) -> LichenError:
    code = response.get("Error", {}).get("Code", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _GONE:
        return unknown(WHAT)
    return unreached(WHAT) if code in _LATER or status >= 500 or status == 429 else refused(WHAT)
