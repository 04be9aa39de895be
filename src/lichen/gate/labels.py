"""Endorsement: an argument a model made counts as trusted where it equals something that an accepted source said.

Matching is to trust, never to taint: what no source said stays the model's, whatever else it resembles. Comparison is
of whole values: texts in NFC, without space around and in no case; numbers by value. An argument whose schema says
`x-lichen-unit: "minor"` counts cents where people say the amount: 8050 is what a customer calls 80.50.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.label import THIRD_PARTY
from lichen.core.policy import Evidence
from lichen.gate.evidence import evidence_from_json, evidence_from_text, normal
from lichen.gate.values import LONG_MAX, LONG_MIN

__all__ = ["MODEL", "Arguments", "Endorsement", "arguments_of", "endorse", "evidence_from_json", "evidence_from_text"]

MODEL: Final = "model"  # the origin of what no accepted source said
LEAVES_MAX: Final = 4096
DEPTH_MAX: Final = 32
MINOR_PER_MAJOR: Final = 100

_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(?:\.([0-9]{1,40}))?")
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


class _Said(NamedTuple):
    """One source's values, ready for look-up."""

    source: str
    texts: frozenset[str]
    numbers: frozenset[Decimal]
    truths: frozenset[bool]

    def says(self, leaf: _Leaf) -> bool:
        match leaf.value:
            case bool():
                return leaf.value in self.truths
            case int() if LONG_MIN <= leaf.value <= LONG_MAX:  # beyond, division by 100 would round
                return self.amount(leaf) in self.numbers
            case float():
                return Decimal(str(leaf.value)) in self.numbers
            case str():
                return normal(leaf.value) in self.texts
            case _:
                return False

    def amount(self, leaf: _Leaf) -> Decimal:
        in_major = leaf.is_minor and not self.source.startswith(_RECORDS)
        return Decimal(leaf.value) / MINOR_PER_MAJOR if in_major else Decimal(leaf.value)


def arguments_of(schema: Mapping[str, Any]) -> Arguments:
    """The arguments of an input schema, without those whose names Cedar's JSON could misread."""
    names = [name for name in schema.get("properties", {}) if not name.startswith("__")]
    return Arguments(schema, {name: _property(schema, schema, name) for name in names})


def endorse(declared: Arguments, args: Mapping[str, Any], evidence: Sequence[Evidence]) -> Endorsement:
    """Compares every argument with the evidence; the first source that says it is its origin."""
    said = [_said(item) for item in evidence if not item.source.startswith(THIRD_PARTY)]
    origins: dict[str, str] = {}
    endorsed = dict.fromkeys(declared.properties, False)
    for name, value in args.items():
        leaves = list(islice(_leaves(declared, name, value), LEAVES_MAX + 1))
        found = {leaf.path: _origin(leaf, said) for leaf in leaves} if len(leaves) <= LEAVES_MAX else {name: MODEL}
        origins.update(found)
        if name in endorsed:
            endorsed[name] = bool(found) and MODEL not in found.values()
    return Endorsement(origins, endorsed)


def _origin(leaf: _Leaf, said: Sequence[_Said]) -> str:
    return next((source.source for source in said if source.says(leaf)), MODEL)


def _said(evidence: Evidence) -> _Said:
    texts: set[str] = set()
    numbers: set[Decimal] = set()
    truths: set[bool] = set()
    for value in evidence.values:
        if isinstance(value, bool):
            truths.add(value)
            continue
        texts.add(normal(str(value)))
        number = _number(value, is_record=evidence.source.startswith(_RECORDS))
        if number is not None:
            numbers.add(number)
    return _Said(evidence.source, frozenset(texts), frozenset(numbers), frozenset(truths))


def _number(value: str | int, *, is_record: bool) -> Decimal | None:
    """The number a value is, if it is written as one. Three digits after a point may be thousands, unless a record
    of ours says so."""
    if isinstance(value, int):
        return Decimal(value)
    match = _DECIMAL.fullmatch(value)
    if match is None or (len(match[1] or "") == 3 and not is_record):
        return None
    return Decimal(value)


# -- the arguments -----------------------------------------------------------------------------------------------


def _leaves(declared: Arguments, name: str, value: Any) -> Iterator[_Leaf]:
    return _walk(declared.root, declared.properties.get(name, {}), name, value, 0)


def _walk(root: Mapping[str, Any], schema: Mapping[str, Any], path: str, value: Any, depth: int) -> Iterator[_Leaf]:
    """The scalars of a value. null is nothing; deeper than `DEPTH_MAX` is one value that nobody said."""
    if value is None:
        return
    if depth > DEPTH_MAX:
        yield _Leaf(path, None, False)
    elif isinstance(value, Mapping):
        for name, field in cast(Mapping[str, Any], value).items():
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
    if not isinstance(schema, Mapping) or depth > DEPTH_MAX:
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
