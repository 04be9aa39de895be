"""Values as the calls of wasmtime-py itself take and give them: the slow way, for every type that it knows.

Its variants bear a tag only where the Python classes of their cases overlap; here that is seen to.
"""

# pyright: reportPrivateUsage=false
# whether a variant is tagged is nowhere said in public

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from wasmtime.component import (
    BorrowType,
    EnumType,
    FlagsType,
    ListType,
    OptionType,
    OwnType,
    Record,
    RecordType,
    ResultType,
    TupleType,
    ValType,
    Variant,
    VariantType,
)
from wasmtime.component._types import F32, F64, U8, VariantLikeType

from lichen.tools.wasm.values.canonical import Case, Err, Handle, Ok, Some


def to_stock(kind: ValType, value: Any) -> Any:
    """A canonical value as wasmtime-py wants it. Raises TypeError, ValueError, KeyError for one that does not fit."""
    match kind:
        case ListType():
            element = kind.element
            return bytes(value) if isinstance(element, U8) else [to_stock(element, each) for each in value]
        case RecordType():
            made = Record()
            for name, field in kind.fields:
                setattr(made, name, to_stock(field, value[name]))
            return made
        case TupleType():
            return tuple(to_stock(each, part) for each, part in zip(kind.elements, value, strict=True))
        case OptionType() | ResultType() | VariantType():
            tag, payload = _case_of(kind, value)
            return _tagged(kind, tag, payload)
        case FlagsType():
            return set(value)
        case OwnType() | BorrowType():
            return cast("Handle", value).raw
        case F32() | F64():
            return float(value)
        case _:
            return value


def from_stock(kind: ValType, value: Any) -> Any:
    """What wasmtime-py gave, as its canonical value."""
    match kind:
        case ListType():
            element = kind.element
            return bytes(value) if isinstance(element, U8) else [from_stock(element, each) for each in value]
        case RecordType():
            return {name: from_stock(field, getattr(value, name)) for name, field in kind.fields}
        case TupleType():
            return tuple(from_stock(each, part) for each, part in zip(kind.elements, value, strict=True))
        case OptionType() | ResultType() | VariantType():
            tag, payload = _untagged(kind, value)
            return _made(kind, tag, payload)
        case FlagsType():
            return frozenset(cast("set[str]", value))
        case OwnType() | BorrowType():
            return Handle(value)
        case EnumType():
            return str(value)
        case _:
            return value


def _case_of(kind: OptionType | ResultType | VariantType, value: Any) -> tuple[str, Any]:
    """The tag and payload that a canonical value stands for."""
    match kind, value:
        case OptionType(), None:
            return "none", None
        case OptionType(), _:
            return "some", value.value if isinstance(kind.payload, OptionType) else value
        case ResultType(), Ok() | Err():
            return "ok" if isinstance(value, Ok) else "err", value.value
        case VariantType(), Case():
            return value.tag, value.payload
        case _:
            raise TypeError(f"{type(value).__name__} is no value of this type")


def _made(kind: OptionType | ResultType | VariantType, tag: str, payload: Any) -> Any:
    match kind:
        case OptionType():
            if tag == "none":
                return None
            return Some(payload) if isinstance(kind.payload, OptionType) else payload
        case ResultType():
            return Ok(payload) if tag == "ok" else Err(payload)
        case VariantType():
            return Case(tag, payload)


def _tagged(kind: VariantLikeType, tag: str, payload: Any) -> Any:
    inner = dict(kind._cases())[tag]
    lowered = None if inner is None else to_stock(inner, payload)
    return Variant(tag, lowered) if kind._tagged() else lowered


def _untagged(kind: VariantLikeType, value: Any) -> tuple[str, Any]:
    cases: Sequence[tuple[str, ValType | None]] = kind._cases()
    if isinstance(value, Variant):
        inner = dict(cases)[value.tag]
        return value.tag, None if inner is None else from_stock(inner, value.payload)
    for tag, inner in cases:
        if inner is None:
            if value is None:
                return tag, None
            continue
        classes: set[type] = set()
        inner.add_classes(classes)
        if type(value) in classes or (object in classes and value is None):
            return tag, from_stock(inner, value)
    raise ValueError("the value is of no case")
