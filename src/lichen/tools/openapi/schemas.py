"""Schemas of an OpenAPI document as JSON Schema 2020-12, with what references stand for in their place.

Every keyword is read for itself, and what is not written as it should be is left out, so that what is made has no flaw.
So is what only programs need (`xml`, `discriminator`, examples), and a pattern that could run away. Where a schema is
made of itself, anything goes.

Source: OpenAPI 3.0.4 section 4.7.24 (Schema Object), 3.1.1 section 4.8.24, JSON Schema 2020-12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, cast

import msgspec

from lichen.core.patterns.pattern import PatternError, compiled
from lichen.tools.arguments.schema import DEPTH_MAX, SCHEMA_BYTES_MAX
from lichen.tools.openapi.document import Document, Unusable

PARTS_MAX: Final = 20_000
TEXT_CHARS_MAX: Final = 1_000  # of a description
Direction = Literal["in", "out"]

_TYPES: Final = frozenset(("string", "number", "integer", "boolean", "object", "array", "null"))
_NUMBERS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS: Final = (
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains",
)  # fmt: skip
_ONE: Final = ("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else")
_SEVERAL: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("properties", "patternProperties", "dependentSchemas")
_HIDDEN: Final[Mapping[Direction, str]] = {"in": "readOnly", "out": "writeOnly"}


def translated(document: Document, schema: Any, direction: Direction) -> dict[str, Any]:
    """The schema as it counts for what is sent (`in`) or for what comes (`out`). Raises Unusable."""
    made = _Translating(document, direction, has_texts=True).schema(schema, (), 0)
    if is_long(made):  # without the words in it it may be short enough
        made = _Translating(document, direction, has_texts=False).schema(schema, (), 0)
    return bounded(made)


def bounded(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, if it is not too long. Raises Unusable."""
    if is_long(schema):
        raise Unusable(f"Its schema has more than {SCHEMA_BYTES_MAX} bytes once its references are written out.")
    return schema


def is_long(schema: Mapping[str, Any]) -> bool:
    """Whether it is longer than a schema may be."""
    return len(msgspec.json.encode(schema)) > SCHEMA_BYTES_MAX


class _Translating:
    def __init__(self, document: Document, direction: Direction, *, has_texts: bool) -> None:
        self._document, self._hidden, self._has_texts = document, _HIDDEN[direction], has_texts
        self._left = PARTS_MAX

    def schema(self, said: Any, within: tuple[str, ...], depth: int) -> dict[str, Any]:
        """A schema in it. `within` are the references that led here."""
        self._left -= 1
        if self._left < 0 or depth > DEPTH_MAX - 2:
            raise Unusable("Its schema is too large once its references are written out.")
        if isinstance(said, bool):
            return {} if said else {"not": {}}
        if not isinstance(said, dict):
            raise Unusable("A schema of it is no object.")
        part = cast("dict[str, Any]", said)
        reference = part.get("$ref")
        if reference is None:
            return self._plain(part, within, depth)
        if reference in within:
            return {}
        made = self.schema(self._document.at(reference), (*within, str(reference)), depth)
        rest = {key: value for key, value in part.items() if key != "$ref"}
        return {**made, **self._plain(rest, within, depth)} if self._document.version == "3.1" else made

    def _plain(self, said: dict[str, Any], within: tuple[str, ...], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in said.items():
            if key in _ONE:
                made[key] = value if isinstance(value, bool) else self.schema(value, within, depth + 1)
            elif key in _SEVERAL and isinstance(value, list) and value:
                made[key] = [self.schema(each, within, depth + 1) for each in cast("list[Any]", value)]
            elif key in _NAMED and isinstance(value, dict):
                members = cast("dict[str, Any]", value)
                if key != "patternProperties" or all(map(_pattern, members)):
                    made[key] = self._members(members, within, depth)
            elif key in _READ and (found := _READ[key](value)) is not None:
                made[key] = found
        if isinstance(made.get("required"), list):
            made["required"] = [name for name in made["required"] if not self._is_hidden(said, name)]
        if self._has_texts and isinstance(text := said.get("description"), str) and text:
            made["description"] = text[:TEXT_CHARS_MAX]
        return _of_3_0(said, made) if self._document.version == "3.0" else made

    def _members(self, said: dict[str, Any], within: tuple[str, ...], depth: int) -> dict[str, Any]:
        return {
            name: self.schema(value, within, depth + 1) for name, value in said.items() if not self._is_marked(value)
        }

    def _is_hidden(self, said: dict[str, Any], name: object) -> bool:
        properties = said.get("properties")
        return isinstance(properties, dict) and self._is_marked(cast("dict[Any, Any]", properties).get(name))

    def _is_marked(self, said: Any) -> bool:
        """Whether a member is only for the other direction, itself or what it refers to."""
        if not isinstance(said, dict):
            return False
        part = cast("dict[str, Any]", said)
        return part.get(self._hidden) is True or (
            "$ref" in part and self._document.found(part).get(self._hidden) is True
        )


def _of_3_0(said: Mapping[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI 3.0 says in words of its own: bounds that do not count themselves, and `nullable`."""
    for bound, own in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if said.get(own) is True and bound in made:
            made[own] = made.pop(bound)
    if said.get("nullable") is not True:
        return made
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if "enum" in made and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
        return made
    return {"anyOf": [made, {"type": "null"}]} if made else made


def _type(value: Any) -> Any:
    if isinstance(value, str):
        return value if value in _TYPES else None
    kinds = [each for each in cast("list[Any]", value) if each in _TYPES] if isinstance(value, list) else []
    return list(dict.fromkeys(kinds)) or None


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _names(value: Any) -> Any:
    found = [each for each in cast("list[Any]", value) if isinstance(each, str)] if isinstance(value, list) else []
    return list(dict.fromkeys(found)) or None


def _pattern(value: Any) -> Any:
    try:
        compiled(value)
    except (PatternError, TypeError):
        return None
    return value


def _list(value: Any) -> Any:
    return cast("list[Any]", value) or None if isinstance(value, list) else None


def _flag(value: Any) -> Any:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _any(value: Any) -> Any:
    return value


def _readers() -> Iterator[tuple[str, Callable[[Any], Any]]]:
    yield from (("type", _type), ("enum", _list), ("const", _any), ("default", _any), ("format", _text))
    yield from (("required", _names), ("uniqueItems", _flag), ("pattern", _pattern))
    yield from ((name, _number) for name in _NUMBERS)
    yield "multipleOf", lambda value: _number(value) if _number(value) is not None and value > 0 else None
    yield from ((name, _count) for name in _COUNTS)


_READ: Final = dict(_readers())
