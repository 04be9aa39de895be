"""JSON Schemas of answers: which of them are taken, and where an answer does not fit one.

Both cost a bounded amount of work, whatever the schema and the answer are: each keyword that is looked at is paid for
by the size of what it looks at. References are not followed, so a schema is finite and nothing is fetched.

Source: JSON Schema 2020-12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.patterns.pattern import PatternError, compiled
from lichen.tools.arguments.problem import Problem, cut, under

SCHEMA_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 32  # of schemas in schemas
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_ONE: Final = frozenset(
    ("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else", "contentSchema")
)
_SEVERAL: Final = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_NAMED: Final = frozenset(("properties", "patternProperties", "dependentSchemas", "$defs"))
_TYPES: Final = frozenset(("string", "number", "integer", "boolean", "object", "array", "null"))
_LEFT_OUT: Final[Mapping[str, str]] = {
    "$ref": "References are not followed; write out what they stand for.",
    "$dynamicRef": "References are not followed; write out what they stand for.",
    "unevaluatedItems": "This keyword is not checked here; say it with `items`.",
    "unevaluatedProperties": "This keyword is not checked here; say it with `additionalProperties`.",
}


# -- schemas -----------------------------------------------------------------------------------------------------


def flaw(schema: Mapping[str, Any]) -> Problem | None:
    """Why this schema cannot be used for answers; None for one that can. Its values stand in no message."""
    try:
        data = msgspec.json.encode(schema)
        if len(data) > SCHEMA_BYTES_MAX:
            return Problem("", f"The schema has {len(data)} bytes; {SCHEMA_BYTES_MAX} are allowed.")
        found = _read(data)
        if not isinstance(found, dict):
            return Problem("", "The schema of an answer is an object.")
        if _is_plain(cast("dict[str, Any]", found)):
            return None
        from lichen.tools.arguments import bounded  # no process needs it to start

        return _left_out(found, "", 0) or bounded.flaw(found)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return Problem("", "The schema is no JSON, or is nested too deeply.")


def _is_plain(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is right for reasons that are quickly seen, as those of most questions are."""
    return all(
        (key == "type" and (value in _TYPES if isinstance(value, str) else value == ["string", "object"]))
        or (key in ("enum", "examples") and isinstance(value, list))
        or (key in ("title", "description") and isinstance(value, str))
        for key, value in schema.items()
    )


def _left_out(schema: Any, place: str, depth: int) -> Problem | None:
    """What is never used for answers, wherever in the schema it stands."""
    if depth > DEPTH_MAX:
        return Problem(cut(place), f"The schema is nested deeper than {DEPTH_MAX}.")
    if not isinstance(schema, dict):
        return None
    for key, value in cast("dict[str, Any]", schema).items():
        at = under(place, key)
        if (message := _LEFT_OUT.get(key) or _unusable(key, value)) is not None:
            return Problem(cut(at), message)
        for step, inner in _inner(key, value):
            if (found := _left_out(inner, at if step is None else under(at, step), depth + 1)) is not None:
                return found
    return None


def _unusable(key: str, value: Any) -> str | None:
    if key == "$schema" and value != DIALECT:
        return f"Schemas of answers are written in {DIALECT}."
    named = cast("dict[str, Any]", value) if key == "patternProperties" and isinstance(value, dict) else {}
    for pattern in [value] if key == "pattern" and isinstance(value, str) else named:
        try:
            compiled(pattern)
        except PatternError as error:
            return f"A pattern cannot be used: {str(error).partition(':')[0]}."
    return None


def _inner(key: str, value: Any) -> Iterator[tuple[str | int | None, Any]]:
    """The schemas in the value of a keyword, each with its step from there."""
    if key in _ONE:
        yield None, value
    elif key in _SEVERAL and isinstance(value, list):
        yield from enumerate(cast("list[Any]", value))
    elif key in _NAMED and isinstance(value, dict):
        yield from cast("dict[str, Any]", value).items()


# -- answers -----------------------------------------------------------------------------------------------------


def problem(schema: Mapping[str, Any], value: Any) -> Problem | None:
    """Where this JSON value does not fit a schema without a flaw; None when it does."""
    try:
        from lichen.tools.arguments import bounded

        return bounded.misfit(_read(msgspec.json.encode(schema)), _read(msgspec.json.encode(value)))
    except (TypeError, ValueError, OverflowError, RecursionError, ArithmeticError):
        return Problem("", "The answer is no JSON, or is nested too deeply.")


def _number(text: str) -> float:
    """A number as it is compared: 1.0 is 1."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


_read = msgspec.json.Decoder(float_hook=_number).decode
