"""Cedar's operators as functions: what compiled policies call.

Source: Cedar 4, docs.cedarpolicy.com, "Operators". Each raises where Cedar has an evaluation error.
"""

from __future__ import annotations

from typing import Any, Final

from lichen.gate.cedar.values import LONG_MAX, LONG_MIN, Entity, Key, Value, is_same, key


class EvaluationError(Exception):
    """A wrong type, or a number that does not fit 64 bits."""


def boolean(value: Value) -> bool:
    """`value`, which must be a boolean."""
    if value is True or value is False:
        return value
    raise EvaluationError


def _long(value: Value) -> int:
    if type(value) is int:
        return value
    raise EvaluationError


def _in_range(value: int) -> int:
    if LONG_MIN <= value <= LONG_MAX:
        return value
    raise EvaluationError


def _set(value: Value) -> frozenset[Key]:
    if isinstance(value, frozenset):
        return value
    raise EvaluationError


def _entity(value: Value | Key) -> Entity:
    if isinstance(value, Entity):
        return value
    raise EvaluationError


def add(left: Value, right: Value) -> int:
    """`left + right`."""
    return _in_range(_long(left) + _long(right))


def sub(left: Value, right: Value) -> int:
    """`left - right`."""
    return _in_range(_long(left) - _long(right))


def mul(left: Value, right: Value) -> int:
    """`left * right`."""
    return _in_range(_long(left) * _long(right))


def neg(value: Value) -> int:
    """`-value`."""
    return _in_range(-_long(value))


def less(left: Value, right: Value) -> bool:
    """`left < right`."""
    if type(left) is int and type(right) is int:
        return left < right
    raise EvaluationError


def less_eq(left: Value, right: Value) -> bool:
    """`left <= right`."""
    if type(left) is int and type(right) is int:
        return left <= right
    raise EvaluationError


def greater(left: Value, right: Value) -> bool:
    """`left > right`."""
    if type(left) is int and type(right) is int:
        return left > right
    raise EvaluationError


def greater_eq(left: Value, right: Value) -> bool:
    """`left >= right`."""
    if type(left) is int and type(right) is int:
        return left >= right
    raise EvaluationError


def contains(left: Value, right: Value) -> bool:
    """`left.contains(right)`."""
    return key(right) in _set(left)


def contains_all(left: Value, right: Value) -> bool:
    """`left.containsAll(right)`."""
    return _set(left) >= _set(right)


def contains_any(left: Value, right: Value) -> bool:
    """`left.containsAny(right)`."""
    return not _set(left).isdisjoint(_set(right))


def is_empty(value: Value) -> bool:
    """`value.isEmpty()`."""
    return not _set(value)


def set_of(*values: Value) -> frozenset[Key]:
    """`[...]`."""
    return frozenset(map(key, values))


def record(names: tuple[str, ...], *values: Value) -> dict[str, Value]:
    """`{...}`."""
    return dict(zip(names, values, strict=True))


def has(value: Value, name: str) -> bool:
    """`value has name`."""
    if isinstance(value, Entity):
        return name in value.attrs
    if isinstance(value, dict):
        return name in value
    raise EvaluationError


def is_in(left: Value, right: Value) -> bool:
    """`left in right`, where `right` is an entity or a set of entities."""
    closure = _entity(left).closure
    if isinstance(right, Entity):
        return right.uid in closure
    members = [_entity(element).uid for element in _set(right)]
    return any(member in closure for member in members)


def is_type(value: Value, name: str) -> bool:
    """`value is name`."""
    return _entity(value).type == name


def known(principal: Entity, action: Entity, resource: Entity, literal: Entity) -> Entity:
    """The entity a literal names, with its attributes and parents if the request brings it."""
    for entity in (principal, action, resource):
        if literal.uid in entity.closure:
            return entity.closure[literal.uid]
    return literal


_FUNCTIONS = (
    boolean, add, sub, mul, neg, less, less_eq, greater, greater_eq, contains, contains_all, contains_any, is_empty,
    set_of, record, has, is_in, is_type, known, is_same,
)  # fmt: skip

RUNTIME: Final[dict[str, Any]] = {"__builtins__": {}, **{function.__name__: function for function in _FUNCTIONS}}
"""All that the source of a compiled policy can name."""
