"""Files that browsers fetch beside a page: styles, scripts, the mark. They are in the wheel and change with it only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PREFIX = "/static"
FOLDER = Path(__file__).parents[1] / "static"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


class Asset(msgspec.Struct, frozen=True):
    """A file's bytes, its media type and the digest of both its ETag and its address."""

    data: bytes
    media_type: str
    digest: str


@cache
def asset(name: str) -> Asset:
    """A file of the static folder."""
    path = FOLDER / name
    data = path.read_bytes()
    return Asset(data, _KINDS[path.suffix], sha256(data).hexdigest()[:16])


def address(name: str) -> str:
    """Where a browser fetches a file, in a spelling that changes when the file does."""
    return f"{PREFIX}/{name}?v={asset(name).digest}"


def static_routes(*names: str) -> list[Route]:
    """Routes for these files alone. An address with the right `v` may be kept for good, others are asked for again."""
    return [Route(f"{PREFIX}/{name}", _endpoint(name), methods=["GET"]) for name in names]


def _endpoint(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        found = asset(name)
        is_pinned = request.query_params.get("v") == found.digest
        headers = {
            "etag": f'"{found.digest}"',
            "cache-control": _FOR_GOOD if is_pinned else _ASK_AGAIN,
            "x-content-type-options": "nosniff",
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(found.data, headers=headers, media_type=found.media_type)

    return endpoint
