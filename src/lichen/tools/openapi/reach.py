"""How an API is asked: over one client of the runtime that follows no redirect, unpacks nothing and reads within
bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lichen.core.ports.call import RESULT_BYTES_MAX
from lichen.tools.openapi.requests import Request

if TYPE_CHECKING:
    import httpx2

CONNECT_S: Final = 10.0
CONNECTIONS_MAX: Final = 50
IDLE_MAX: Final = 20


class NotReached(Exception):
    """Nothing was asked: the API could not be connected to."""


class Gone(Exception):
    """The connection broke after something was asked: what became of it is not known."""


class Response(NamedTuple):
    """What came. `body` is None where it is longer than may be, or packed."""

    status: int
    media: str
    body: bytes | None


class Reach:
    """Asks APIs. A runtime has one, and closes it."""

    def __init__(self) -> None:
        self._client: httpx2.AsyncClient | None = None

    async def ask(self, request: Request, timeout_s: float) -> Response:
        """The answer to a request. Raises NotReached, Gone; TimeoutError where no answer came in time."""
        import httpx2

        client = self._client = self._client or _client()
        try:
            made = client.build_request(
                request.method,
                request.url,
                headers=list(request.headers),
                content=request.content or None,
                timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
            )
            response = await client.send(made, stream=True)
            try:
                return await _read(response)
            finally:
                await response.aclose()
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise NotReached(type(error).__name__) from error
        except httpx2.TimeoutException as error:
            raise TimeoutError from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Gone(type(error).__name__) from error

    async def close(self) -> None:
        """Lets go of every connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _client() -> httpx2.AsyncClient:
    import httpx2

    return httpx2.AsyncClient(
        headers={"Accept": "application/json, text/plain;q=0.5", "Accept-Encoding": "identity", "User-Agent": "lichen"},
        limits=httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=IDLE_MAX),
        follow_redirects=False,
        trust_env=False,
    )


async def _read(response: httpx2.Response) -> Response:
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return Response(response.status_code, media, None)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > RESULT_BYTES_MAX:
            return Response(response.status_code, media, None)
    return Response(response.status_code, media, bytes(body))
