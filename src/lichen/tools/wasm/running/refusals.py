"""Errors and acknowledgements in the shapes that the interfaces of guests know: enums, records, variants, texts.

The versions of an interface differ in these shapes; what is meant does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from wasmtime.component import (
    Bool,
    EnumType,
    FlagsType,
    ListType,
    OptionType,
    RecordType,
    String,
    TupleType,
    ValType,
    VariantType,
)
from wasmtime.component._types import F32, F64, U8

from lichen.tools.wasm.port import Trapped
from lichen.tools.wasm.values.canonical import Case


class Refused(NamedTuple):
    """A question that is answered with an error. `code`: not-found, denied, invalid, unavailable, internal."""

    code: str
    message: str


class _Ack:
    """That it was done."""


ACK: Final = _Ack()
SYNONYMS: Final = {
    "not-found": ("not-found", "missing", "unknown", "none"),
    "denied": ("denied", "forbidden", "unauthorized", "permission-denied", "not-permitted"),
    "invalid": ("invalid", "invalid-key", "invalid-input", "invalid-request", "bad-request"),
    "unavailable": ("unavailable", "timeout", "transport", "io"),
    "internal": ("internal", "other", "unknown", "failed", "error"),
}


def refusal(kind: ValType, said: Refused) -> Any:
    """The error as a value of this type."""
    match kind:
        case EnumType():
            return _nearest(kind.names, said.code)
        case VariantType():
            cases = dict(kind.cases)
            tag = _nearest(list(cases), said.code)
            inner = cases[tag]
            return Case(tag, None if inner is None else refusal(inner, said))
        case RecordType():
            known = {"code": said.code, "message": said.message, "details": said.message, "error": said.message}
            return {name: _field(field, known.get(name)) for name, field in kind.fields}
        case _:
            return _field(kind, said.message)


def acknowledged(kind: ValType) -> Any:
    """That it was done, as a value of this type."""
    return kind.names[0] if isinstance(kind, EnumType) else blank(kind)


def _nearest(names: Sequence[str], code: str) -> str:
    for name in (*SYNONYMS.get(code, ()), *SYNONYMS["internal"]):
        if name in names:
            return name
    return names[-1]


def _field(kind: ValType, text: str | None) -> Any:
    if text is None:
        return blank(kind)
    match kind:
        case String():
            return text
        case OptionType():
            return _field(kind.payload, text)
        case _:
            return blank(kind)


def blank(kind: ValType) -> Any:
    """The emptiest value of a type."""
    match kind:
        case String():
            return ""
        case OptionType():
            return None
        case ListType():
            return b"" if isinstance(kind.element, U8) else []
        case Bool():
            return False
        case EnumType():
            return kind.names[0]
        case FlagsType():
            return frozenset[str]()
        case RecordType():
            return {name: blank(field) for name, field in kind.fields}
        case TupleType():
            return tuple(blank(each) for each in kind.elements)
        case VariantType():
            tag, inner = kind.cases[0]
            return Case(tag, None if inner is None else blank(inner))
        case F32() | F64():
            return 0.0
        case _ if type(kind).__name__[:1] in "SU":
            return 0
        case _:
            raise Trapped("host", "an answer has a shape that is not known")
