"""Values that Cedar policies compute with, as Python objects that hash and compare exactly as Cedar does.

bool, int and str stand for themselves, a record is a `dict`, a set is a frozenset of `key`s, an entity an `Entity`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1


class Entity:
    """A principal, action or resource: its type and id, its attributes, and everything it is `in`."""

    __slots__ = ("attrs", "closure", "id", "keys", "parents", "type", "uid")

    def __init__(
        self, kind: str, id: str, *, attrs: Mapping[str, Value] | None = None, parents: Iterable[Entity] = ()
    ) -> None:
        self.type = kind
        self.id = id
        self.uid = uid(kind, id)
        self.attrs: dict[str, Value] = dict(attrs or {})
        self.parents = tuple(parents)
        self.closure: dict[str, Entity] = {self.uid: self}
        for parent in self.parents:
            self.closure.update(parent.closure)
        self.keys = (None, kind, *self.closure)  # under which policies that could match are indexed

    def __getitem__(self, name: str) -> Value:
        return self.attrs[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entity) and self.uid == other.uid

    def __hash__(self) -> int:
        return hash(self.uid)

    def __repr__(self) -> str:
        return self.uid


class Truth(Enum):
    """A boolean inside a set: Python holds True and 1 for the same element, Cedar does not."""

    FALSE = 0
    TRUE = 1


class Fields(NamedTuple):
    """A record inside a set."""

    items: frozenset[tuple[str, Key]]


Key: TypeAlias = "Truth | int | str | Entity | Fields | frozenset[Key]"
Value: TypeAlias = "bool | int | str | Entity | dict[str, Value] | frozenset[Key]"


def uid(kind: str, id: str) -> str:
    """One string per entity: `Tool::"payments.refund"`. The id is not escaped; no type name holds a quote."""
    return f'{kind}::"{id}"'


def key(value: Value) -> Key:
    """What stands for `value` inside a set."""
    if value is True or value is False:
        return Truth.TRUE if value else Truth.FALSE
    if isinstance(value, dict):
        return Fields(frozenset((name, key(field)) for name, field in value.items()))
    return value


def is_same(left: Value, right: Value) -> bool:
    """Cedar's `==`: values of different types differ."""
    if type(left) is not type(right):
        return False
    if type(left) is dict:
        return key(left) == key(right)
    return left == right


def to_json(value: Value | Key) -> Any:
    """`value` in Cedar's JSON notation."""
    match value:
        case Truth():
            return value is Truth.TRUE
        case Entity():
            return {"__entity": {"type": value.type, "id": value.id}}
        case Fields():
            return {name: to_json(field) for name, field in value.items}
        case dict():
            return {name: to_json(field) for name, field in value.items()}
        case frozenset():
            return [to_json(element) for element in value]
        case _:
            return value
