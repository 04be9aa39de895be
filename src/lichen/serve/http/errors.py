"""Errors on the wire: the same code, sentence and next step that a caller in the process gets. Never a stack trace."""

from __future__ import annotations

from math import ceil

import msgspec
from starlette.responses import Response

from lichen.core.words.errors import Full, Invalid, Kind, LichenError, TooMany, Unauthenticated, Unavailable

JSON = "application/json"
FULL_S = 60  # how long somebody waits who is told that there is no room


class TooLarge(Invalid):
    """The body has more bytes than a request may have."""

    status = 413
    code = "body_too_large"
    next_step = "Send less at once."


class HeadTooLarge(Invalid):
    """The path and headers have more bytes than a request may have."""

    status = 431
    code = "head_too_large"
    next_step = "Send fewer or shorter headers, or put what is long into the body."


class Late(Invalid):
    """The body did not come in time."""

    status = 408
    code = "body_late"
    next_step = "Send it again, and faster."


class UnsupportedMedia(Invalid):
    """The body is not JSON."""

    status = 415
    code = "content_type_invalid"
    next_step = "Send `Content-Type: application/json`."


class MethodUnknown(Invalid):
    """The path exists, but not with this method."""

    status = 405
    code = "method_unknown"
    next_step = "Read the list of routes."


class ErrorBody(msgspec.Struct, frozen=True):
    """What a caller is told. `kind` is what they can do about it, `place` says where, when there is a where."""

    code: str
    kind: Kind
    message: str
    next_step: str
    place: str | None = None


class ErrorDocument(msgspec.Struct, frozen=True):
    """The body of every response that is not a success."""

    error: ErrorBody


def failure(error: LichenError) -> Response:
    """The response for an error; a 503 and a 429 say when to try again, a 401 how to introduce oneself."""
    body = ErrorDocument(ErrorBody(error.code, error.kind, error.message, error.next_step, error.place))
    return Response(msgspec.json.encode(body), error.status, _headers(error), media_type=JSON)


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
