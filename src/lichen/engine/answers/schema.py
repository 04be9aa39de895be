"""JSON Schemas of answers: which of them are taken, and where an answer does not fit one.

Both cost a bounded amount of work, whatever the schema and the answer are: each keyword that is looked at is paid for
by the size of what it looks at. References are not followed, so a schema is finite and nothing is fetched.

Source: JSON Schema 2020-12.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, cast

import msgspec
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from lichen.core.patterns.pattern import TEXT_CHARS_MAX, PatternError, compiled

SCHEMA_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 32  # of schemas in schemas
STEPS_MAX: Final = 50_000  # of one check: about a fifth of a second
PLACE_CHARS_MAX: Final = 256
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


class Problem(NamedTuple):
    """What is wrong first: where, as a JSON pointer, and in which words. Holds nothing of the value itself but names
    of its members."""

    place: str
    message: str


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
        return _left_out(found, "", 0) or _first(_META, found, "The schema is not valid JSON Schema 2020-12")
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
        return Problem(_cut(place), f"The schema is nested deeper than {DEPTH_MAX}.")
    if not isinstance(schema, dict):
        return None
    for key, value in cast("dict[str, Any]", schema).items():
        at = _under(place, key)
        if (message := _LEFT_OUT.get(key) or _unusable(key, value)) is not None:
            return Problem(_cut(at), message)
        for step, inner in _inner(key, value):
            if (found := _left_out(inner, at if step is None else _under(at, step), depth + 1)) is not None:
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
        found = _read(msgspec.json.encode(value))
        return _first(_Bounded(_read(msgspec.json.encode(schema))), found, "The answer does not fit what is expected")
    except (TypeError, ValueError, OverflowError, RecursionError, ArithmeticError):
        return Problem("", "The answer is no JSON, or is nested too deeply.")


def _first(validator: Any, value: Any, message: str) -> Problem | None:
    work = _Work()
    work.weigh(value)
    work.weigh(validator.schema)
    token = _WORK.set(work)
    try:
        error = cast("ValidationError | None", next(iter(validator.iter_errors(value)), None))
    except _TooMuch:
        return Problem("", "It takes too much work to check.")
    finally:
        _WORK.reset(token)
    return None if error is None else Problem(_place(error), f"{message}: `{error.validator or 'false'}`.")


def _place(error: ValidationError) -> str:
    """Where the error is; of a member that is missing or not expected, where that member would be."""
    place = ""
    for step in error.absolute_path:
        place = _under(place, step)
    return _cut(_under(place, extra) if (extra := _extra(error)) is not None else place)


def _extra(error: ValidationError) -> str | None:
    value, wanted = cast(Any, error.instance), cast(Any, error.validator_value)
    match error.validator:
        case "required":
            return next((name for name in wanted if name not in value), None)
        case "additionalProperties" if wanted is False:
            schema = cast("dict[str, Any]", error.schema)
            patterns = list(schema.get("patternProperties", ()))
            known = schema.get("properties", {})
            return next((name for name in value if name not in known and not _matches(patterns, name)), None)
        case _:
            return None


def _matches(patterns: Iterable[str], name: str) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)


def _under(place: str, step: str | int) -> str:
    return f"{place}/{str(step).replace('~', '~0').replace('/', '~1')}"


def _cut(place: str) -> str:
    return place if len(place) <= PLACE_CHARS_MAX else f"{place[:PLACE_CHARS_MAX]}…"


# -- bounded work ------------------------------------------------------------------------------------------------


class _TooMuch(Exception):
    """The work that one check may take is used up."""


class _Work:
    """What is left of a check's steps, and how heavy the parts are that it looks at."""

    def __init__(self) -> None:
        self._left = STEPS_MAX
        self._weights: dict[int, int] = {}  # by identity, for both values outlive the check

    def weigh(self, value: Any) -> int:
        """How much there is in a value, noted for every object and array in it. Raises RecursionError."""
        match value:
            case dict():
                members = cast("dict[str, Any]", value)
                weight = 1 + sum(self.weigh(each) + 1 + len(name) // 32 for name, each in members.items())
            case list():
                weight = 1 + sum(map(self.weigh, cast("list[Any]", value)))
            case _:
                return self.of(value)
        self._weights[id(cast(object, value))] = weight
        return weight

    def of(self, value: Any) -> int:
        """The weight of a part."""
        if isinstance(value, str):
            return 1 + len(value) // 32
        return self._weights.get(id(value), 1)

    def spend(self, steps: int) -> None:
        """Takes these steps from what is left. Raises _TooMuch."""
        self._left -= steps
        if self._left < 0:
            raise _TooMuch


_WORK: ContextVar[_Work] = ContextVar("lichen_schema_work")
Keyword = Callable[[Any, Any, Any, Any], "Iterable[ValidationError] | None"]


def _paid(keyword: str, check: Keyword) -> Keyword:
    """The check of a keyword, which is paid for before it begins. What it says of a value may repeat all of it."""

    def paid(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterable[ValidationError] | None:
        work = _WORK.get()
        work.spend((1 + work.of(wanted) // 16) * (1 + work.of(value) // 64))
        patterns = 1 if keyword == "pattern" else len(schema.get("patternProperties", ()))
        work.spend(sum(map(_search_steps, _searched(keyword, value))) * patterns)
        return check(validator, wanted, value, schema)

    return paid


def _searched(keyword: str, value: Any) -> Iterable[str]:
    """The texts that patterns are looked for in."""
    if keyword == "pattern":
        return (value,) if isinstance(value, str) else ()
    is_named = keyword in ("patternProperties", "additionalProperties") and isinstance(value, dict)
    return cast("dict[str, Any]", value) if is_named else ()


def _search_steps(text: str) -> int:
    """What a search for a pattern may cost, which goes with the square of the text."""
    return (len(text) // 32) ** 2 if len(text) <= TEXT_CHARS_MAX else STEPS_MAX + 1


def _enum(validator: Any, members: Any, value: Any, schema: Any) -> Iterable[ValidationError]:
    if isinstance(members, list) and _written(value) not in set(map(_written, cast("list[Any]", members))):
        yield ValidationError("enum")


def _const(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterable[ValidationError]:
    if _written(value) != _written(wanted):
        yield ValidationError("const")


def _unique(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterable[ValidationError]:
    if wanted is True and isinstance(value, list):
        items = list(map(_written, cast("list[Any]", value)))
        if len(set(items)) < len(items):
            yield ValidationError("uniqueItems")


def _written(value: Any) -> bytes:
    """A value in the one way to write it; equal values are written equally."""
    return msgspec.json.encode(value, order="sorted")


def _number(text: str) -> float:
    """A number as it is compared: 1.0 is 1."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


_read = msgspec.json.Decoder(float_hook=_number).decode
_OURS: Final[Mapping[str, Keyword]] = {"enum": _enum, "const": _const, "uniqueItems": _unique}
_KEYWORDS: Final = cast("Mapping[str, Keyword]", Draft202012Validator.VALIDATORS)
_Bounded: Final = cast(
    "Callable[[Any], Any]",
    cast(Any, validators).extend(
        Draft202012Validator, {name: _paid(name, _OURS.get(name, check)) for name, check in _KEYWORDS.items()}
    ),
)
_META: Final = _Bounded(Draft202012Validator.META_SCHEMA)
