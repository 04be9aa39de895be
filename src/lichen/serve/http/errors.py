"""Errors on the wire: the same code, sentence and next step that a caller in the process gets. Never a stack trace."""

from __future__ import annotations

from math import ceil

import msgspec
from starlette.responses import Response

from lichen.core.words.errors import (
    Conflict,
    Corrupt,
    Denied,
    Expired,
    Full,
    Invalid,
    LichenError,
    NotFound,
    TooMany,
    Unavailable,
)

JSON = "application/json"
FULL_S = 60  # how long somebody waits who is told that there is no room


class Unauthenticated(LichenError):
    """Nobody could be recognised in the request."""

    code = "unauthenticated"
    next_step = "Send `Authorization: Bearer <key>` with a valid key."


class TooLarge(Invalid):
    """The body has more bytes than a request may have."""

    code = "body_too_large"
    next_step = "Send less at once."


class HeadTooLarge(Invalid):
    """The path and headers have more bytes than a request may have."""

    code = "head_too_large"
    next_step = "Send fewer or shorter headers, or put what is long into the body."


class Late(Invalid):
    """The body did not come in time."""

    code = "body_late"
    next_step = "Send it again, and faster."


class UnsupportedMedia(Invalid):
    """The body is not JSON."""

    code = "content_type_invalid"
    next_step = "Send `Content-Type: application/json`."


class MethodUnknown(Invalid):
    """The path exists, but not with this method."""

    code = "method_unknown"
    next_step = "Read the list of routes."


STATUSES: tuple[tuple[type[LichenError], int], ...] = (
    (TooLarge, 413),
    (HeadTooLarge, 431),
    (Late, 408),
    (UnsupportedMedia, 415),
    (MethodUnknown, 405),
    (TooMany, 429),
    (Invalid, 400),
    (Unauthenticated, 401),
    (Denied, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Expired, 410),
    (Full, 507),
    (Unavailable, 503),
    (Corrupt, 500),
)
"""The HTTP status of each kind of error; the first that fits counts, and everything else is 500."""


class ErrorBody(msgspec.Struct, frozen=True):
    """What a caller is told. `place` says where, when there is a where."""

    code: str
    message: str
    next_step: str
    place: str | None = None


class ErrorDocument(msgspec.Struct, frozen=True):
    """The body of every response that is not a success."""

    error: ErrorBody


def status_of(error: LichenError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def failure(error: LichenError) -> Response:
    """The response for an error; a 503 and a 429 say when to try again, a 401 how to introduce oneself."""
    body = ErrorDocument(ErrorBody(error.code, error.message, error.next_step, error.place))
    return Response(msgspec.json.encode(body), status_of(error), _headers(error), media_type=JSON)


def _headers(error: LichenError) -> dict[str, str] | None:
    match error:
        case TooMany():
            return {"retry-after": str(max(1, ceil(error.retry_after_s)))}
        case Full():
            return {"retry-after": str(FULL_S)}
        case Unavailable():
            return {"retry-after": "1"}
        case Unauthenticated():
            return {"www-authenticate": "Bearer"}
        case _:
            return None


INTERNAL = LichenError("Something went wrong inside the runtime; its own log says what.")
"""What is told of an error that nobody foresaw."""
