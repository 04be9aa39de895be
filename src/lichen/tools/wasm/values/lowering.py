"""Canonical values written as the C API reads them: what a type needs is found once, then each value is a few packs.

The API borrows arguments, so they lie in buffers of ours, which `kept` holds until the call is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wasmtime.component import (
    Bool,
    Char,
    EnumType,
    FlagsType,
    ListType,
    OptionType,
    RecordType,
    ResultType,
    String,
    TupleType,
    ValType,
    VariantType,
)
from wasmtime.component._types import U8

from lichen.tools.wasm.values.canonical import Case, Err, Ok, Some
from lichen.tools.wasm.values.layout import (
    BODY,
    BYTE,
    ENTRY,
    ENTRY_VALUE,
    ENUM,
    FLAGS,
    LIST,
    NAME,
    NUMBERS,
    OPTION,
    RECORD,
    RESULT,
    RESULT_VALUE,
    SPAN,
    STRING,
    TUPLE,
    VALUE,
    VARIANT,
    VARIANT_VALUE,
    WORD,
    Unfit,
    Unsupported,
    address,
)

Kept = list[Any]
Write = Callable[[bytearray, int, Any, Kept], None]
"""Writes a value at an offset of a buffer."""


def writer(kind: ValType) -> Write:
    """How values of a type are written. Raises Unsupported."""
    match kind:
        case Char():
            return _char()
        case String():
            return _string
        case ListType():
            return _bytes if isinstance(kind.element, U8) else _list(writer(kind.element))
        case RecordType():
            return _record([(name, writer(field)) for name, field in kind.fields])
        case TupleType():
            return _tuple([writer(each) for each in kind.elements])
        case EnumType():
            return _enum(kind.names)
        case FlagsType():
            return _flags(kind.names)
        case OptionType():
            return _option(writer(kind.payload), is_nested=isinstance(kind.payload, OptionType))
        case ResultType():
            return _result(_maybe(kind.ok), _maybe(kind.err))
        case VariantType():
            return _variant({name: _maybe(payload) for name, payload in kind.cases})
        case _ if type(kind) in NUMBERS:
            return _bool if isinstance(kind, Bool) else _number(kind)
        case _:
            raise Unsupported


def _maybe(kind: ValType | None) -> Write | None:
    return None if kind is None else writer(kind)


def _number(kind: ValType) -> Write:
    number, body = NUMBERS[type(kind)]

    def write(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
        if value is True or value is False:
            raise Unfit("a number is no boolean")
        buffer[at] = number
        body.pack_into(buffer, at + BODY, value)

    return write


def _bool(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
    if value is not True and value is not False:
        raise Unfit("a boolean is true or false")
    buffer[at], buffer[at + BODY] = NUMBERS[Bool][0], value


def _char() -> Write:
    number, body = NUMBERS[Char]

    def write(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
        code = ord(value)
        if 0xD800 <= code < 0xE000:
            raise Unfit("half a character is none")
        buffer[at] = number
        body.pack_into(buffer, at + BODY, code)

    return write


def _span(buffer: bytearray, at: int, kind: int, count: int, inner: bytearray, kept: Kept) -> None:
    buffer[at] = kind
    SPAN.pack_into(buffer, at + BODY, count, address(inner) if inner else 0)
    kept.append(inner)


def _string(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
    text = bytearray(value.encode())
    size = len(text)
    _span(buffer, at, STRING, size, text or bytearray(1), kept)


def _bytes(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
    if not isinstance(value, bytes | bytearray):
        raise Unfit("a list of bytes is bytes")
    size = len(value)
    inner = bytearray(size * VALUE)
    inner[::VALUE] = bytes((BYTE,)) * size
    inner[BODY::VALUE] = value
    _span(buffer, at, LIST, size, inner or bytearray(VALUE), kept)


def _list(element: Write) -> Write:
    def write(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
        items: Any = value
        if not isinstance(value, list):
            raise Unfit("a list is a list")
        inner = bytearray(max(1, len(items)) * VALUE)
        for number, each in enumerate(items):
            element(inner, number * VALUE, each, kept)
        _span(buffer, at, LIST, len(items), inner, kept)

    return write


def _record(fields: list[tuple[str, Write]]) -> Write:
    names = [bytearray(name.encode()) for name, _ in fields]
    template = bytearray(len(fields) * ENTRY)
    for number, name in enumerate(names):
        SPAN.pack_into(template, number * ENTRY, len(name), address(name))
    parts = [(name, write, number * ENTRY + ENTRY_VALUE) for number, (name, write) in enumerate(fields)]
    count = len(fields)

    def write(buffer: bytearray, at: int, value: Any, kept: Kept, _names: object = names) -> None:
        inner = template[:]
        for name, field, offset in parts:
            field(inner, offset, value[name], kept)
        _span(buffer, at, RECORD, count, inner, kept)

    return write


def _tuple(elements: list[Write]) -> Write:
    def write(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
        inner = bytearray(max(1, len(elements)) * VALUE)
        for number, (element, each) in enumerate(zip(elements, value, strict=True)):
            element(inner, number * VALUE, each, kept)
        _span(buffer, at, TUPLE, len(elements), inner, kept)

    return write


def _enum(names: list[str]) -> Write:
    known = {name: bytearray(name.encode()) for name in names}

    def write(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
        name = known[value]
        _span(buffer, at, ENUM, len(name), name, kept)

    return write


def _flags(names: list[str]) -> Write:
    known = {name: bytearray(name.encode()) for name in names}

    def write(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
        if isinstance(value, str):
            raise Unfit("flags are a set of names")
        inner = bytearray(max(1, len(value)) * NAME)
        for number, each in enumerate(value):
            SPAN.pack_into(inner, number * NAME, len(known[each]), address(known[each]))
        _span(buffer, at, FLAGS, len(value), inner, kept)

    return write


def _inner(payload: Write | None, value: Any, kept: Kept) -> int:
    """Where the payload of a case lies, 0 for one that has none."""
    if payload is None:
        if value is not None:
            raise Unfit("this case holds nothing")
        return 0
    inner = bytearray(VALUE)
    payload(inner, 0, value, kept)
    kept.append(inner)
    return address(inner)


def _option(payload: Write, *, is_nested: bool) -> Write:
    def write(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
        buffer[at] = OPTION
        if value is None:
            WORD.pack_into(buffer, at + BODY, 0)
            return
        if is_nested and not isinstance(value, Some):
            raise Unfit("an option of an option is None or Some")
        WORD.pack_into(buffer, at + BODY, _inner(payload, value.value if is_nested else value, kept))

    return write


def _result(ok: Write | None, err: Write | None) -> Write:
    def write(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
        if not isinstance(value, Ok | Err):
            raise Unfit("a result is Ok or Err")
        buffer[at], buffer[at + BODY] = RESULT, isinstance(value, Ok)
        WORD.pack_into(buffer, at + RESULT_VALUE, _inner(ok if isinstance(value, Ok) else err, value.value, kept))

    return write


def _variant(cases: dict[str, Write | None]) -> Write:
    names = {name: bytearray(name.encode()) for name in cases}

    def write(buffer: bytearray, at: int, value: Any, kept: Kept) -> None:
        if not isinstance(value, Case):
            raise Unfit("a variant is a Case")
        _span(buffer, at, VARIANT, len(names[value.tag]), names[value.tag], kept)
        WORD.pack_into(buffer, at + VARIANT_VALUE, _inner(cases[value.tag], value.payload, kept))

    return write
