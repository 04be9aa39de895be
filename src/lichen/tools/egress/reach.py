"""How an API of others is asked: over a client for each host that follows no redirect, unpacks nothing and reads within
bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from lichen.core.ports.call import RESULT_BYTES_MAX
from lichen.core.words.errors import Unavailable
from lichen.tools.egress.addresses import Host, Resolve, addresses_of, reached

if TYPE_CHECKING:
    import ssl

    import httpx2

CONNECT_S: Final = 10.0
CONNECTIONS_MAX: Final = 50
IDLE_MAX: Final = 20


class Request(NamedTuple):
    """What is sent."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""


class NotReached(Exception):
    """Nothing was asked: the API could not be connected to."""


class Gone(Exception):
    """The connection broke after something was asked: what became of it is not known."""


class Response(NamedTuple):
    """What came. `body` is None where it is longer than may be, or packed; `headers` have their names in lower case."""

    status: int
    media: str
    body: bytes | None
    headers: Mapping[str, str] = {}


class Reach:
    """Asks APIs. A runtime has one, and closes it. `resolve` gives the addresses of a host, `trusted` says whose
    certificates count where those of the library do not."""

    def __init__(self, resolve: Resolve = addresses_of, trusted: ssl.SSLContext | None = None) -> None:
        self._clients: dict[str, httpx2.AsyncClient] = {}  # by host: connections that one vouched for are no other's
        self._resolve = resolve
        self._trusted = trusted

    async def ask(
        self, request: Request, timeout_s: float, *, is_private: bool = False, bytes_max: int = RESULT_BYTES_MAX
    ) -> Response:
        """The answer to a request, with a body of at most `bytes_max`. The address that was looked at is the one that
        is connected to.

        Raises Denied (`address_denied`) for a name that leads into our own network unless that is meant, NotReached,
        Gone; TimeoutError where no answer came in time.
        """
        import httpx2

        try:
            url = httpx2.URL(request.url)
            client = self._clients.get(url.host) or self._clients.setdefault(url.host, _client(self._trusted))
            at = url if is_private else url.copy_with(host=await self._address(url))
            made = client.build_request(
                request.method,
                at,
                headers=[("Host", url.netloc.decode("ascii")), *request.headers],
                content=request.content or None,
                timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
                extensions={"sni_hostname": url.host},
            )
            response = await client.send(made, stream=True)
            try:
                return await _read(response, bytes_max)
            finally:
                await response.aclose()
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise NotReached(type(error).__name__) from error
        except httpx2.TimeoutException as error:
            raise TimeoutError from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Gone(type(error).__name__) from error

    async def _address(self, url: httpx2.URL) -> str:
        """The address of a host. Raises Denied, NotReached."""
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            return await reached((Host(url.host, (port,), is_below=False),), url.host, port, self._resolve)
        except Unavailable as error:
            raise NotReached(error.message) from error

    async def close(self) -> None:
        """Lets go of every connection."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()


def _client(trusted: ssl.SSLContext | None) -> httpx2.AsyncClient:
    import httpx2

    return httpx2.AsyncClient(
        headers={"Accept": "application/json, text/plain;q=0.5", "Accept-Encoding": "identity", "User-Agent": "lichen"},
        limits=httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=IDLE_MAX),
        follow_redirects=False,
        trust_env=False,
        verify=True if trusted is None else trusted,
    )


async def _read(response: httpx2.Response, bytes_max: int) -> Response:
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return Response(response.status_code, media, None, headers)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > bytes_max:
            return Response(response.status_code, media, None, headers)
    return Response(response.status_code, media, bytes(body), headers)
