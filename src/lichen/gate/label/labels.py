"""Endorsement: an argument a model made counts as trusted where it equals something that an accepted source said.

Matching is to trust, never to taint: what no source said stays the model's, whatever else it resembles. Comparison is
of whole values: texts in NFC, without space around and in no case; numbers by value. An argument whose schema says
`x-lichen-unit: "minor"` counts cents where people say the amount: 8050 is what a customer calls 80.50.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.ports.policy import Evidence
from lichen.core.words.label import THIRD_PARTY
from lichen.gate.label.evidence import Scalar, evidence_from_json, evidence_from_text, normal, number_of

__all__ = [
    "MODEL",
    "Arguments",
    "Endorsement",
    "arguments_of",
    "endorse",
    "evidence_from_json",
    "evidence_from_text",
    "is_vouched",
]

MODEL: Final = "model"  # the origin of what no accepted source said
LEAVES_MAX: Final = 4096
DEPTH_MAX: Final = 32
MINOR_PER_MAJOR: Final = 100

_INT_MAX: Final = 2**128  # beyond, writing a number down costs more than it is worth
_FLOAT_MAX: Final = 1e18
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_RECORDS: Final = "tool:"  # sources that state amounts in the unit of the arguments


class Endorsement(msgspec.Struct, frozen=True):
    """Where each argument came from. `origins` has one source or `model` for each scalar, nested ones by dotted
    name; `endorsed` has every declared argument: all of it, and at least something, came from accepted sources."""

    origins: Mapping[str, str]
    endorsed: Mapping[str, bool]


class Arguments(msgspec.Struct, frozen=True):
    """The arguments a tool declares: what is known of each, and the schema document that it may refer to."""

    root: Mapping[str, Any]
    properties: Mapping[str, Mapping[str, Any]]


class _Leaf(NamedTuple):
    path: str
    value: Any
    is_minor: bool


def arguments_of(schema: Mapping[str, Any]) -> Arguments:
    """The arguments of an input schema, without those whose names Cedar's JSON could misread."""
    names = [name for name in schema.get("properties", {}) if not name.startswith("__")]
    return Arguments(schema, {name: _property(schema, schema, name) for name in names})


def endorse(declared: Arguments, args: Mapping[str, Any], evidence: Sequence[Evidence]) -> Endorsement:
    """Compares every argument with the evidence; the first source that says it is its origin."""
    accepted = _accepted(evidence)
    origins: dict[str, str] = {}
    endorsed = dict.fromkeys(declared.properties, False)
    for name, value in args.items():
        leaves = list(islice(_leaves(declared, name, value), LEAVES_MAX + 1))
        if len(leaves) > LEAVES_MAX:
            leaves = [_Leaf(name, None, False)]
        found = [(leaf.path, _origin(leaf, accepted)) for leaf in leaves]
        for path, origin in found:
            origins[path] = MODEL if origins.get(path) == MODEL else origin  # a name with a dot in it hides nothing
        if name in endorsed:
            endorsed[name] = bool(found) and all(origin != MODEL for _, origin in found)
    return Endorsement(origins, endorsed)


def is_vouched(declared: Arguments, args: Mapping[str, Any], evidence: Sequence[Evidence]) -> bool:
    """Whether nobody else had a part in the arguments of a call: each is one value that an accepted source said, or the
    default that its tool declares. How long a list is, and which names an open object has, nobody says."""
    accepted = _accepted(evidence)
    return all(_is_said(declared.root, declared.properties.get(name, {}), args[name], accepted) for name in args)


def _is_said(root: Mapping[str, Any], schema: Mapping[str, Any], value: Any, accepted: Sequence[Evidence]) -> bool:
    if "default" in schema and msgspec.json.encode(schema["default"]) == msgspec.json.encode(value):
        return True
    if not isinstance(value, str) and isinstance(value, (dict, Mapping)):
        fields = cast(Mapping[str, Any], value)
        return fields.keys() <= schema.get("properties", {}).keys() and all(
            _is_said(root, _property(root, schema, name), field, accepted) for name, field in fields.items()
        )
    return _origin(_Leaf("", value, schema.get("x-lichen-unit") == "minor"), accepted) != MODEL


def _accepted(evidence: Sequence[Evidence]) -> list[Evidence]:
    return [item for item in evidence if item.values and not item.source.startswith(THIRD_PARTY)]


def _origin(leaf: _Leaf, evidence: Sequence[Evidence]) -> str:
    spoken = _forms(leaf.value, is_minor=leaf.is_minor, is_record=False)
    recorded = _forms(leaf.value, is_minor=False, is_record=True)
    for item in evidence:
        forms = recorded if item.source.startswith(_RECORDS) else spoken
        for form in forms:
            if form in item.values and _says(item.values, form):
                return item.source
    return MODEL


def _says(values: Sequence[Scalar], form: Scalar) -> bool:
    """Whether a form that equals one of the values is of its kind: True and 1 differ. A text equals only texts."""
    return isinstance(form, str) or any(type(value) is type(form) and value == form for value in values)


# -- how a value may be written ----------------------------------------------------------------------------------


def _forms(value: Any, *, is_minor: bool, is_record: bool) -> tuple[Scalar, ...]:
    """Everything that says the same as `value`, in the forms that evidence has. A record may say a number as a text;
    what people wrote was read as a number where it is one."""
    match value:
        case bool():
            return (value,)
        case int() if abs(value) < _INT_MAX:
            number = Decimal(value) / MINOR_PER_MAJOR if is_minor else Decimal(value)
            return _number_forms(number, is_record=is_record)
        case float() if math.isfinite(value) and abs(value) < _FLOAT_MAX:
            return _number_forms(Decimal(str(value)), is_record=is_record)
        case str():
            is_number = len(value) < 20 and _NUMBER.fullmatch(value) is not None
            return (value, normal(value), *((number_of(Decimal(value)),) if is_number else ()))
        case _:
            return ()


def _number_forms(number: Decimal, *, is_record: bool) -> tuple[Scalar, ...]:
    """The number, and the texts that a record may have it in: 80.50 and 80.5; without a fraction also 80."""
    said = number_of(number)
    if not is_record:
        return (said,)
    whole, _, fraction = f"{abs(number):f}".partition(".")
    fraction = fraction.rstrip("0")
    texts = [f"{whole}.{fraction.ljust(places, '0')}" for places in (1, 2) if len(fraction) <= places]
    texts = texts or [f"{whole}.{fraction}"]
    sign = "-" if number < 0 else ""
    return (said, *(f"{sign}{text}" for text in (texts if fraction else (whole, *texts))))


# -- the arguments -----------------------------------------------------------------------------------------------


def _leaves(declared: Arguments, name: str, value: Any) -> Iterator[_Leaf]:
    return _walk(declared.root, declared.properties.get(name, {}), name, value, 0)


def _walk(root: Mapping[str, Any], schema: Mapping[str, Any], path: str, value: Any, depth: int) -> Iterator[_Leaf]:
    """The scalars of a value, and the names in it that its tool does not declare. null is nothing; deeper than
    `DEPTH_MAX` is one value that nobody said."""
    if value is None:
        return
    if depth > DEPTH_MAX:
        yield _Leaf(path, None, False)
    elif not isinstance(value, str) and isinstance(value, (dict, Mapping)):
        for name, field in cast(Mapping[str, Any], value).items():
            if name not in schema.get("properties", {}):
                yield _Leaf(f"{path}.{name}", name, False)  # whoever made the object made up its name
            yield from _walk(root, _property(root, schema, name), f"{path}.{name}", field, depth + 1)
    elif isinstance(value, (list, tuple)):
        items = _resolved(root, schema.get("items", {}))
        for index, item in enumerate(cast(Sequence[Any], value)):
            yield from _walk(root, items, f"{path}.{index}", item, depth + 1)
    else:
        yield _Leaf(path, value, schema.get("x-lichen-unit") == "minor")


def _property(root: Mapping[str, Any], schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _resolved(root, schema.get("properties", {}).get(name, {}))


def _resolved(root: Mapping[str, Any], schema: Any, depth: int = 0) -> Mapping[str, Any]:
    """The schema itself where it is a reference or an optional; only the unit and the parts are read from it."""
    if not isinstance(schema, (dict, Mapping)) or depth > DEPTH_MAX:
        return {}
    schema = cast(Mapping[str, Any], schema)
    reference = str(schema.get("$ref", ""))
    if reference.startswith("#/$defs/"):
        target = _resolved(root, root.get("$defs", {}).get(reference.removeprefix("#/$defs/")), depth + 1)
        return {**target, **schema}
    options = [
        option for word in ("anyOf", "oneOf", "allOf") for option in schema.get(word, ()) if option != {"type": "null"}
    ]
    return {**_resolved(root, options[0], depth + 1), **schema} if len(options) == 1 else schema
