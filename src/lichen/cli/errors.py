"""What a command ends with when it did not do what it should: one line for people, or one object for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from lichen.core.words.errors import FAMILY, Invalid, Kind, LichenError

EXITS: Mapping[Kind, int] = {
    "invalid": 2,
    "conflict": 3,
    "expired": 3,
    "not_found": 4,
    "denied": 5,
    "unauthenticated": 5,
}
"""The exit code of each kind of error; everything else is 1."""


def exit_code(error: LichenError) -> int:
    """0 fine, 1 the system, 2 the input, 3 somebody was first, 4 no such thing, 5 not allowed."""
    return EXITS.get(error.kind, 1)


def described(error: LichenError) -> str:
    """The error in one line, with its code, its place and the next step."""
    where = f"{error.place}: " if error.place else ""
    return f"lichen: {error.code}: {where}{error.message}  {error.next_step}"


def as_json(error: LichenError) -> str:
    """The error as the API gives it."""
    fields = ("code", "kind", "message", "next_step", "place")
    return json.dumps({"error": {field: getattr(error, field) for field in fields}}, ensure_ascii=False)


def of_response(status: int, document: Any) -> LichenError:
    """The error that a response tells of."""
    body = cast(dict[str, dict[str, Any]], document).get("error", {}) if isinstance(document, dict) else {}
    return _class_of(status, body.get("kind"))(
        str(body.get("message", f"The runtime answered with status {status}.")),
        code=body.get("code"),
        next_step=body.get("next_step"),
        place=body.get("place"),
    )


def _class_of(status: int, kind: object) -> type[LichenError]:
    """The class of a kind; of a server that names none, or one that is not known here, what the status says."""
    named = (each for each in FAMILY if each.kind == kind)
    numbered = (each for each in FAMILY if each.status == status and status != LichenError.status)
    otherwise = Invalid if 400 <= status < 500 else LichenError
    return next(named, None) or next(numbered, otherwise)
