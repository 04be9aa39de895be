"""What is wrong with a value, told in the documented constraint codes. Made from pydantic's errors, minus the value."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lichen.core.ports.call import Issue
from lichen.tools.arguments.document import ISSUES_MAX, pointer

ERRORS_MAX = 1_000  # beyond this only their number is told: describing each one costs more than it helps

_MISSING = ("missing_field", "is required.")
_UNKNOWN = ("unknown_field", "is not a field of this tool.")
_CHOICE = ("invalid_enum_value", "must be one of the allowed values.")
_FORMAT = ("invalid_format", "does not have the declared form.")
_TOO_SHORT = ("invalid_length", "must have a length of at least {min_length}.")
_TOO_LONG = ("invalid_length", "must have a length of at most {max_length}.")
_RULES: dict[str, tuple[str, str]] = {
    "missing": _MISSING,
    "missing_argument": _MISSING,
    "missing_keyword_only_argument": _MISSING,
    "missing_positional_only_argument": _MISSING,
    "union_tag_not_found": _MISSING,
    "extra_forbidden": _UNKNOWN,
    "unexpected_keyword_argument": _UNKNOWN,
    "unexpected_positional_argument": _UNKNOWN,
    "enum": _CHOICE,
    "literal_error": _CHOICE,
    "union_tag_invalid": _CHOICE,
    "string_pattern_mismatch": ("invalid_pattern", "must match the pattern {pattern}"),
    "greater_than": ("invalid_range", "must be greater than {gt}."),
    "greater_than_equal": ("invalid_range", "must be at least {ge}."),
    "less_than": ("invalid_range", "must be less than {lt}."),
    "less_than_equal": ("invalid_range", "must be at most {le}."),
    "multiple_of": ("invalid_range", "must be a multiple of {multiple_of}."),
    "finite_number": ("invalid_range", "must be a finite number."),
    "int_parsing_size": ("invalid_range", "must be a smaller integer."),
    "decimal_max_digits": ("invalid_range", "must have at most {max_digits} digits."),
    "decimal_max_places": ("invalid_range", "must have at most {decimal_places} decimal places."),
    "decimal_whole_digits": ("invalid_range", "must have at most {whole_digits} digits before the decimal point."),
    "date_past": ("invalid_range", "must lie in the past."),
    "date_future": ("invalid_range", "must lie in the future."),
    "datetime_past": ("invalid_range", "must lie in the past."),
    "datetime_future": ("invalid_range", "must lie in the future."),
    "too_short": _TOO_SHORT,
    "string_too_short": _TOO_SHORT,
    "bytes_too_short": _TOO_SHORT,
    "too_long": _TOO_LONG,
    "string_too_long": _TOO_LONG,
    "bytes_too_long": _TOO_LONG,
    "url_too_long": _TOO_LONG,
    "int_from_float": ("invalid_field_type", "must be an integer."),
    "none_required": ("invalid_field_type", "must be null."),
    "is_instance_of": ("invalid_field_type", "must be of the declared type."),
}
_TYPES = {
    "arguments": "an object",
    "bool": "a boolean",
    "bytes": "a string",
    "dataclass": "an object",
    "date": "a date as a string",
    "datetime": "a date and time as a string",
    "decimal": "a number or a decimal string",
    "dict": "an object",
    "float": "a number",
    "int": "an integer",
    "list": "an array",
    "model": "an object",
    "string": "a string",
    "time": "a time as a string",
    "time_delta": "a duration as a string",
    "tuple": "an array",
    "url": "a URL as a string",
    "uuid": "a UUID as a string",
}
_LABELLED = frozenset(kind for kind, rule in _RULES.items() if rule in (_MISSING, _UNKNOWN))
_REPR = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s,]+""")


def issues(error: ValidationError, tree: Any) -> tuple[Issue, ...]:
    """One issue for every problem that pydantic found in the document `tree`, each once, at most ISSUES_MAX."""
    if error.error_count() > ERRORS_MAX:
        return (Issue("", "invalid_format", f"More than {ERRORS_MAX} values do not fit the schema."),)
    details = error.errors(include_url=False, include_input=False)
    return tuple(dict.fromkeys(_issue(detail, tree) for detail in details))[:ISSUES_MAX]


def _issue(detail: ErrorDetails, tree: Any) -> Issue:
    context = detail.get("ctx", {})
    constraint, template = _rule(detail["type"])
    at = _place(detail["loc"], tree, names_last=detail["type"] in _LABELLED)
    if "discriminator" in context:
        at = (*at, context["discriminator"].strip("'"))
    allowed = (
        _allowed(context.get("expected") or context.get("expected_tags") or "") if constraint == _CHOICE[0] else ()
    )
    return Issue(pointer(at), constraint, template.format_map(_Bounds(context)), allowed)


class _Bounds(dict[str, Any]):
    """The context of an error; a bound that a validator's own error left out reads as such."""

    def __missing__(self, name: str) -> str:
        return "the bound"


def _rule(kind: str) -> tuple[str, str]:
    """The constraint that pydantic's error type `kind` stands for, and a message to fill from its context.

    An error of a validator somebody wrote counts as a wrong form; its own text may repeat the value and is left out.
    """
    if kind in _RULES:
        return _RULES[kind]
    if kind.endswith("_type"):
        name = kind.removesuffix("_type")
        return "invalid_field_type", f"must be {_TYPES.get(name, 'of the declared type')}."
    return _FORMAT


def _place(loc: Sequence[str | int], tree: Any, *, names_last: bool) -> tuple[str | int, ...]:
    """Where in `tree` the error is: `loc` without the labels pydantic puts in for members of a union.

    `names_last`: the last part of `loc` is the name of a field, present or not.
    """
    at: list[str | int] = []
    for index, part in enumerate(loc):
        if _has(tree, part):
            tree = tree[part]
            at.append(part)
        elif names_last and index == len(loc) - 1:
            at.append(part)
    return tuple(at)


def _has(tree: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(tree, list) and part < len(cast("list[Any]", tree))
    return isinstance(tree, Mapping) and part in tree


def _allowed(expected: str) -> tuple[str, ...]:
    """The values in pydantic's enumeration `'a', 'b' or 3`, as text."""
    found = [text for text in _REPR.findall(expected) if text != "or"]
    return tuple(ast.literal_eval(text) if text[0] in "'\"" else text for text in found)
