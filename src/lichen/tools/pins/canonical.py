"""JSON in the one spelling that is signed, `schemapin-v1`: UTF-8, keys sorted at every depth, no spaces.

Source: SchemaPin specification 1.1, 1.4, canonicalization.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, cast

from lichen.core.words.errors import Invalid

V1: Final = "schemapin-v1"
DOCUMENT_BYTES_MAX: Final = 1024 * 1024
DEPTH_MAX: Final = 64


def canonical(value: object) -> bytes:
    """The spelling that is hashed. Raises Invalid (`schema_canonicalization_failed`) for what JSON cannot say, or what
    would be nested too deep."""
    _check_depth(value, 0)
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError) as error:
        raise _unspeakable(type(error).__name__) from None


def _check_depth(value: object, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise _unspeakable(f"more than {DEPTH_MAX} levels")
    match value:
        case dict():
            for each in cast("dict[str, object]", value).values():
                _check_depth(each, depth + 1)
        case list() | tuple():
            for each in cast("list[object]", value):
                _check_depth(each, depth + 1)
        case _:
            return


def floats(value: object, place: str = "") -> Iterator[str]:
    """Where numbers with a fraction or an exponent are, as JSON pointers: languages spell them differently, so that a
    signature over one may count here and not there."""
    match value:
        case float():
            yield place or "/"
        case dict():
            for key, each in cast("dict[str, object]", value).items():
                yield from floats(each, f"{place}/{key.replace('~', '~0').replace('/', '~1')}")
        case list():
            for index, each in enumerate(cast("list[object]", value)):
                yield from floats(each, f"{place}/{index}")
        case _:
            return


def read(data: bytes, *, place: str, bytes_max: int = DOCUMENT_BYTES_MAX) -> Any:
    """What a JSON document says: one that says a key twice means different things to different readers, and is
    refused. Raises Invalid (`document_invalid`)."""
    if len(data) > bytes_max:
        raise _unreadable(place, f"It has more than {bytes_max} bytes.")
    try:
        value = json.loads(data, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _unreadable(place, f"It is no JSON: {type(error).__name__}.") from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a key twice")
    return told


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _unreadable(place: str, message: str) -> Invalid:
    step = "Get the document again from whoever signed it."
    return Invalid(message, code="document_invalid", place=place, next_step=step)


def _unspeakable(why: str) -> Invalid:
    return Invalid(
        f"The schema has no spelling that means the same everywhere ({why}).",
        code="schema_canonicalization_failed",
        next_step="Write it as plain JSON, and sign it again.",
    )
