"""JSON Schema as answers are checked by it: every keyword that is looked at is paid for from a bound.

The validator is loaded with the first answer that needs it; most are right for reasons that are quickly seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final, cast

import msgspec
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from lichen.core.patterns.pattern import TEXT_CHARS_MAX
from lichen.tools.arguments.problem import Problem, cut, under

STEPS_MAX: Final = 50_000  # of one check: about a fifth of a second


def flaw(schema: Any) -> Problem | None:
    """Where this is no JSON Schema."""
    return _first(_META, schema, "The schema is not valid JSON Schema 2020-12")


def misfit(schema: Any, value: Any) -> Problem | None:
    """Where a value does not fit a schema without a flaw."""
    return _first(_Bounded(schema), value, "The answer does not fit what is expected")


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
        place = under(place, step)
    return cut(under(place, extra) if (extra := _extra(error)) is not None else place)


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


_OURS: Final[Mapping[str, Keyword]] = {"enum": _enum, "const": _const, "uniqueItems": _unique}
_KEYWORDS: Final = cast("Mapping[str, Keyword]", Draft202012Validator.VALIDATORS)
_Bounded: Final = cast(
    "Callable[[Any], Any]",
    cast(Any, validators).extend(
        Draft202012Validator, {name: _paid(name, _OURS.get(name, check)) for name, check in _KEYWORDS.items()}
    ),
)
_META: Final = _Bounded(Draft202012Validator.META_SCHEMA)
