"""One registry over HTTP: bounded in bytes and in time, with our word only for the registry itself.

Credentials go to the host they are for and nowhere else: a redirect is followed for what is fetched by its digest
alone, without them, never into this machine, and never out of TLS.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from lichen.core.words.errors import Denied, Invalid, LichenError, NotFound, Unavailable
from lichen.packs.fetching.terms import Endpoint, is_here

if TYPE_CHECKING:
    import httpx2

Seen = Callable[[int], None]
CONNECT_S: Final = 10.0
READ_S: Final = 30.0
WHOLE_S: Final = 300.0  # for one thing, however many requests it takes
SAID_BYTES_MAX: Final = 64 * 1024  # of answers that are no content
REDIRECTS_MAX: Final = 5
EXTRA: Final = "registries"
_MOVED: Final = (301, 302, 303, 307, 308)


class Reply(NamedTuple):
    """An answer with its whole body, and headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media(self) -> str:
        """What the body is said to be."""
        return self.headers.get("content-type", "")


class Ask(NamedTuple):
    """A request to the registry."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    content: bytes = b""


class Wire:
    """Connections to a registry for one errand; `with` closes them. `seen` is told how many bytes came."""

    def __init__(self, endpoint: Endpoint, *, ca: Path | None = None, seen: Seen | None = None) -> None:
        self.endpoint = endpoint
        self._seen: Seen = seen or _unseen
        self._client = _client(endpoint, ca)
        self._until = time.monotonic() + WHOLE_S  # noqa: TID251 - how long a stranger may keep this process, no more

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, ask: Ask, *, bytes_max: int = SAID_BYTES_MAX, may_move: bool = False) -> Reply:
        """The answer to a request. `may_move` follows redirects.

        Raises Unavailable (`pack_unreachable`), Invalid (`oci_reply_invalid`), Denied (`oci_redirect_refused`).
        """
        for _ in range(REDIRECTS_MAX + 1):
            with self._sent(ask) as response:
                if not (may_move and response.status_code in _MOVED and "location" in response.headers):
                    body = self._read(response, bytes_max)
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    return Reply(response.status_code, headers, body)
                ask = self._moved(ask, response.headers["location"])
        raise _elsewhere(f"It sends us on more than {REDIRECTS_MAX} times.")

    @contextmanager
    def _sent(self, ask: Ask) -> Generator[httpx2.Response]:
        import httpx2

        try:
            request = self._client.build_request(ask.method, ask.url, headers=dict(ask.headers), content=ask.content)
            response = self._client.send(request, stream=True)
            try:
                yield response
            finally:
                response.close()
        except httpx2.TimeoutException:
            raise unreachable(f"{self.endpoint} did not answer in time.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise unreachable(f"{self.endpoint} could not be asked ({type(error).__name__}).") from None

    def _read(self, response: httpx2.Response, bytes_max: int) -> bytes:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _too_large("It sends what it was asked not to pack.")
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            self._seen(len(chunk))
            if len(body) > bytes_max:
                raise _too_large(f"It sends more than {bytes_max} bytes.")
            if time.monotonic() > self._until:  # noqa: TID251 - as above
                raise unreachable(f"{self.endpoint} took more than {WHOLE_S:g} seconds.")
        return bytes(body)

    def _moved(self, ask: Ask, location: str) -> Ask:
        """The request to where it is sent on to, without our word unless that is the registry itself."""
        import httpx2

        if len(location) > 8_192:  # signed addresses are long
            raise _elsewhere("It sends us to an address of more than 8192 characters.")
        try:
            url = httpx2.URL(ask.url).join(location)
        except httpx2.InvalidURL:
            raise _elsewhere("It sends us to what is no address.") from None
        if origin(str(url)) == self.endpoint:
            return Ask(ask.method, str(url), ask.headers)
        if url.scheme != "https" and not (self.endpoint.scheme == url.scheme == "http" and is_here(url.host)):
            raise _elsewhere("It sends us to an address without TLS.")
        if not is_here(self.endpoint.host):
            check_outside(url.host, url.port or 443)
        bare = {name: value for name, value in ask.headers.items() if name.lower() != "authorization"}
        return Ask(ask.method, str(url), bare)


def _unseen(_: int) -> None:
    """Whoever does not look at what comes."""


def origin(url: str) -> Endpoint:
    """Where an address leads. Raises Denied (`oci_redirect_refused`) for what is none."""
    import httpx2

    try:
        found = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise _elsewhere("It names what is no address.") from None
    return Endpoint(found.scheme, found.host, found.port or {"http": 80}.get(found.scheme, 443))


def check_outside(host: str, port: int) -> None:
    """Refuses what leads into this machine, or to what clouds tell it about itself. Raises Denied
    (`oci_redirect_refused`)."""
    try:
        found = {str(each[4][0]).partition("%")[0] for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        return  # who cannot be found here is not reached here, but perhaps by a proxy
    for address in map(ipaddress.ip_address, found):
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        seen = mapped or address
        if seen.is_loopback or seen.is_link_local or seen.is_unspecified or seen.is_multicast:
            raise _elsewhere("It sends us into this machine.")


def _client(endpoint: Endpoint, ca: Path | None) -> httpx2.Client:
    try:
        import httpx2
    except ImportError as error:
        step = f"Install Lichen with its extra `{EXTRA}`, in a clone with `pip install '.[{EXTRA}]'`."
        message = "Registries need a library that is not installed."
        raise NotFound(message, code="extra_missing", next_step=step) from error
    return httpx2.Client(
        verify=_context(endpoint, ca),
        timeout=httpx2.Timeout(READ_S, connect=CONNECT_S),
        headers={"Accept-Encoding": "identity", "User-Agent": "lichen"},
        follow_redirects=False,
        trust_env=not is_here(endpoint.host),  # proxies of the environment, as other clients of registries go by them
    )


def _context(endpoint: Endpoint, ca: Path | None) -> ssl.SSLContext:
    """Whose certificates count; nobody's where there is no TLS, so that a redirect leads to nobody who has one."""
    if endpoint.scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError):
        step = "Name a PEM file of certificates, relative to lichen.toml."
        raise Invalid("`ca` of a registry is no such file.", code="oci_ca_invalid", next_step=step) from None


def checked(data: bytes, digest: str, size: int | None = None) -> bytes:
    """Bytes that are those of a digest. Raises Invalid (`oci_digest_differs`)."""
    if (size is not None and len(data) != size) or f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        message = f"What came is not {digest}, or not all of it."
        step = "Nothing of it is used. Fetch it again; if it stays so, whoever runs the registry must look."
        raise Invalid(message, code="oci_digest_differs", next_step=step)
    return data


def unreachable(message: str) -> Unavailable:
    """The error for what is neither here nor to be had now."""
    step = "See that the registry answers; what was fetched before loads without it."
    return Unavailable(message, code="pack_unreachable", next_step=step)


def _too_large(message: str) -> LichenError:
    step = "Whoever runs the registry must look."
    return Invalid(message, code="oci_reply_invalid", next_step=step)


def _elsewhere(message: str) -> LichenError:
    step = "Nothing was sent there. Whoever runs the registry must look."
    return Denied(message, code="oci_redirect_refused", next_step=step)
