"""HTTP: requests to the hosts that were granted, at addresses that are public, without following redirects.

Source: greentic:http/http-client@1.0.0 and @1.1.0 (greentic-interfaces). Of 1.1's options the time counts; the rest
would widen what was granted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from lichen.core.words.errors import Denied, LichenError
from lichen.tools.egress.addresses import host_of
from lichen.tools.egress.reach import Gone, NotReached, Reach, Request, Response
from lichen.tools.wasm.imports.host import HostCall
from lichen.tools.wasm.running.asked import Answer
from lichen.tools.wasm.running.refusals import Refused

METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))  # RFC 9110, section 9.2.1
URL_CHARS_MAX: Final = 8_192
HEADERS_MAX: Final = 64
HEADER_CHARS_MAX: Final = 8_192
OWN: Final = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "accept-encoding")
)
"""What the connection is made with: a guest that said it could smuggle a request."""
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")


def send(host: HostCall, asked: Mapping[str, Any], *rest: Any) -> Any:
    """The answer to a request."""
    reach = host.services.reach
    if not host.may.http or not host.may.hosts or reach is None:
        return host.refuse("denied", "HTTP is not granted")
    request = _request(asked)
    if isinstance(request, Refused):
        return request
    refused = _unreachable(host, request.url)
    if refused is not None:
        return refused
    host.has_acted = host.has_acted or request.method not in SAFE
    try:
        response = host.wait(_asked(reach, request, host, _timeout_s(host, rest)))
    except Denied:
        return host.refuse("denied", "an address of our own network")
    except NotReached:
        return Refused("unavailable", "the host cannot be reached")
    except Gone:
        return Refused("unavailable", "the connection broke before an answer came")
    except (TimeoutError, LichenError):
        return Refused("unavailable", "no answer came in time")
    return _told(response)


async def _asked(reach: Reach, request: Request, host: HostCall, timeout_s: float) -> Response:
    import asyncio

    size = host.watch.limits.value_bytes if host.watch is not None else 0
    async with asyncio.timeout(timeout_s):
        return await reach.ask(request, timeout_s, is_private=host.granted.is_private, bytes_max=size // 2)


def _request(asked: Mapping[str, Any]) -> Request | Refused:
    method, url = str(asked.get("method", "GET")).upper(), str(asked.get("url", ""))
    headers: list[Any] = list(asked.get("headers") or ())
    if method not in METHODS:
        return Refused("invalid", "this is no method")
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return Refused("invalid", "this is no URL")
    if len(headers) > HEADERS_MAX:
        return Refused("invalid", "too many headers")
    for name, value in headers:
        if not _NAME.fullmatch(name) or len(value) > HEADER_CHARS_MAX or not _VALUE.fullmatch(value):
            return Refused("invalid", "this is no header")
        if name.lower() in OWN:
            return Refused("invalid", "a header that the connection is made with")
    return Request(method, url, tuple((name, value) for name, value in headers), asked.get("body") or b"")


def _unreachable(host: HostCall, url: str) -> Refused | None:
    """Why a URL is not asked, if it is not."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError:
        return Refused("invalid", "this is no URL")
    if parts.scheme not in ("http", "https") or not name or parts.username is not None:
        return Refused("invalid", "this is no URL of HTTP")
    if parts.scheme == "http" and not host.granted.is_private:
        return host.refuse("denied", "a request in the clear")
    port = port or (443 if parts.scheme == "https" else 80)
    if not any(host_of(each).covers(name, port) for each in host.may.hosts):
        return host.refuse("denied", "a host that it was not granted")
    return None


def _timeout_s(host: HostCall, rest: tuple[Any, ...]) -> float:
    tables: list[Any] = [each for each in rest if isinstance(each, dict)]
    said = next((each["timeout-ms"] for each in tables if "timeout-ms" in each), None)
    wanted = said / 1000 if isinstance(said, int) and said > 0 else host.timeout_s
    return max(0.001, min(wanted, host.timeout_s))


def _told(response: Response) -> Any:
    if response.body is None:
        return Refused("unavailable", "the answer is larger than may cross, or packed")
    headers = [(name, value) for name, value in response.headers.items()]
    return {"status": response.status, "headers": headers, "body": response.body}


FUNCTIONS: Final[dict[str, Answer]] = {"send": send}
