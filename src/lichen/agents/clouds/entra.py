"""Tokens of Microsoft Entra for an application that has a secret: fetched once, used while they are good, and renewed.

Source: RFC 6749, 4.4 (client credentials); Microsoft identity platform, OAuth 2.0 client credentials flow.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, NamedTuple, Protocol

import msgspec

from lichen.core.ports.model import ModelError

VARIABLES: Final = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
AUTHORITY: Final = "https://login.microsoftonline.com"
SCOPE: Final = "https://cognitiveservices.azure.com/.default"
RENEWED_S: Final = 300.0  # before a token ends
TOKEN_BYTES_MAX: Final = 64 * 1024
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_WORD: Final = re.compile(r"[a-z_]{3,48}")


class Application(NamedTuple):
    """An application of a tenant, and the authority that knows it."""

    tenant: str
    client: str
    secret: str
    authority: str = AUTHORITY

    def __repr__(self) -> str:
        return f"Application(client={self.client!r})"


def application_of(environ: Mapping[str, str]) -> Application | None:
    """The application that the environment names as Azure's own libraries read it; None where it names none."""
    tenant, client, secret = (environ.get(name, "") for name in VARIABLES)
    if not (tenant and client and secret):
        return None
    authority = environ.get("AZURE_AUTHORITY_HOST") or AUTHORITY
    return Application(tenant, client, secret, authority if "://" in authority else f"https://{authority}")


class Response(Protocol):
    """What came of a request."""

    @property
    def status_code(self) -> int:
        """Of HTTP."""
        ...

    @property
    def content(self) -> bytes:
        """The body."""
        ...


class Http(Protocol):
    """A client that follows nobody elsewhere, and reads no more than is allowed."""

    async def post(self, url: str, *, data: Mapping[str, str]) -> Response:
        """Sends a form."""
        ...


class _Token(msgspec.Struct, frozen=True):
    access_token: Annotated[str, msgspec.Meta(min_length=1, max_length=TOKEN_BYTES_MAX)]
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=7 * 86_400)]


class _No(msgspec.Struct, frozen=True):
    error: str = ""


def _loop_s() -> float:
    return asyncio.get_running_loop().time()


class EntraTokens:
    """The tokens of one application. `clock_s` is any clock that only goes on; those who ask at once share a token."""

    def __init__(self, application: Application, http: Http, clock_s: Callable[[], float] = _loop_s) -> None:
        self._application, self._http, self._clock_s = application, http, clock_s
        self._fetching = asyncio.Lock()
        self._token, self._good_until_s = "", 0.0

    async def token(self) -> str:
        """A token that is good. Raises ModelError (`model_auth`, `model_unavailable`, `model_malformed`)."""
        async with self._fetching:
            if not self._token or self._clock_s() >= self._good_until_s:
                await self._fetch()
        return self._token

    async def _fetch(self) -> None:
        asked_s = self._clock_s()
        response = await self._answer()
        if response.status_code != 200:
            raise _refused(response)
        try:
            found = msgspec.json.decode(response.content, type=_Token)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ModelError("Entra said something that is no token.", code="model_malformed") from None
        # A short one is used for half of its life at least.
        self._good_until_s = asked_s + max(found.expires_in - RENEWED_S, found.expires_in / 2)
        self._token = found.access_token

    async def _answer(self) -> Response:
        app = self._application
        if not _TENANT.fullmatch(app.tenant):
            raise ModelError(f"{VARIABLES[0]} names no tenant of Entra.", code="model_auth")
        form = {
            "grant_type": "client_credentials",
            "client_id": app.client,
            "client_secret": app.secret,
            "scope": SCOPE,
        }
        try:
            return await self._http.post(f"{app.authority.rstrip('/')}/{app.tenant}/oauth2/v2.0/token", data=form)
        except Exception as error:  # noqa: BLE001 - an HTTP client may raise anything, and the form may stand in it
            message = f"Entra could not be asked for a token ({type(error).__name__})."
            raise ModelError(message, code="model_unavailable", tries=0) from None


def _refused(response: Response) -> ModelError:
    """The error for an answer that is none. What it says beside its own word is not repeated."""
    if response.status_code == 429 or response.status_code >= 500:
        message = f"Entra gives no token now ({response.status_code})."
        return ModelError(message, code="model_unavailable", tries=0)
    try:
        word = msgspec.json.decode(response.content, type=_No).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        word = ""
    said = f"{response.status_code}, {word}" if _WORD.fullmatch(word) else str(response.status_code)
    step = f"Look at {', '.join(VARIABLES)}."
    return ModelError(f"Entra does not know this application ({said}). {step}", code="model_auth", tries=0)
