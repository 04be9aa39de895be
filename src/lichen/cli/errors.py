"""What a command ends with when it did not do what it should: one line for people, or one object for programs."""

from __future__ import annotations

import json
from typing import Any, cast

from lichen.core.words.errors import Conflict, Denied, Expired, Invalid, LichenError, NotFound, Unavailable

EXITS: tuple[tuple[type[LichenError], int], ...] = (
    (Invalid, 2),
    (Conflict, 3),
    (Expired, 3),
    (NotFound, 4),
    (Denied, 5),
)
"""The exit code of each kind of error; the first that fits counts, and everything else is 1."""

KINDS: dict[int, type[LichenError]] = {
    400: Invalid,
    401: Denied,
    403: Denied,
    404: NotFound,
    405: Invalid,
    408: Invalid,
    409: Conflict,
    410: Expired,
    413: Invalid,
    415: Invalid,
    429: Unavailable,
    431: Invalid,
    503: Unavailable,
    507: Unavailable,
}
"""The kind of error behind an HTTP status."""


def exit_code(error: LichenError) -> int:
    """0 fine, 1 the system, 2 the input, 3 somebody was first, 4 no such thing, 5 not allowed."""
    return next((code for kind, code in EXITS if isinstance(error, kind)), 1)


def described(error: LichenError) -> str:
    """The error in one line, with its code, its place and the next step."""
    where = f"{error.place}: " if error.place else ""
    return f"lichen: {error.code}: {where}{error.message}  {error.next_step}"


def as_json(error: LichenError) -> str:
    """The error as the API gives it."""
    body = {"code": error.code, "message": error.message, "next_step": error.next_step, "place": error.place}
    return json.dumps({"error": body}, ensure_ascii=False)


def of_response(status: int, document: Any) -> LichenError:
    """The error that a response tells of."""
    body = cast(dict[str, dict[str, Any]], document).get("error", {}) if isinstance(document, dict) else {}
    kind = KINDS.get(status, LichenError)
    return kind(
        str(body.get("message", f"The runtime answered with status {status}.")),
        code=body.get("code"),
        next_step=body.get("next_step"),
        place=body.get("place"),
    )
