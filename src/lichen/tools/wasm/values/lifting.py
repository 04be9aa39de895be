"""Values read where the C API has written them, as canonical ones: what a type needs is found once.

A guest says how large its values are, so what is read is paid for from a bound.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from ctypes import c_ubyte, string_at
from typing import Any, Final

from wasmtime.component import (
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
    ENTRY,
    ENTRY_VALUE,
    NAME,
    NUMBERS,
    RESULT_VALUE,
    SPAN,
    VALUE,
    VARIANT_VALUE,
    WORD,
    Unfit,
    Unsupported,
)

ITEM_BYTES: Final = 16  # what an item of a list costs beside what is in it


class Room:
    """How much more may be read."""

    __slots__ = ("left",)

    def __init__(self, bytes_max: int) -> None:
        self.left = bytes_max

    def take(self, size: int) -> None:
        """Pays for so many bytes. Raises Unfit."""
        self.left -= size
        if self.left < 0:
            raise Unfit("more than may cross at once")


Read = Callable[[int, Room], Any]
"""Reads the value at an address."""


def reader(kind: ValType) -> Read:
    """How values of a type are read. Raises Unsupported."""
    match kind:
        case Char():
            return _char
        case String():
            return _string
        case EnumType():
            return _enum({name.encode(): name for name in kind.names})
        case ListType():
            return _bytes if isinstance(kind.element, U8) else _list(reader(kind.element))
        case RecordType():
            return _record([(name, reader(field)) for name, field in kind.fields])
        case TupleType():
            return _tuple([reader(each) for each in kind.elements])
        case FlagsType():
            return _flags
        case OptionType():
            return _option(reader(kind.payload), is_nested=isinstance(kind.payload, OptionType))
        case ResultType():
            return _result(_maybe(kind.ok), _maybe(kind.err))
        case VariantType():
            return _variant({name.encode(): (name, _maybe(payload)) for name, payload in kind.cases})
        case _ if type(kind) in NUMBERS:
            return _number(NUMBERS[type(kind)][1])
        case _:
            raise Unsupported


def _maybe(kind: ValType | None) -> Read | None:
    return None if kind is None else reader(kind)


def _number(body: struct.Struct) -> Read:
    unpack, size = body.unpack, body.size

    def read(at: int, room: Room) -> Any:
        return unpack(string_at(at + BODY, size))[0]

    return read


def _char(at: int, room: Room) -> str:
    return chr(NUMBERS[Char][1].unpack(string_at(at + BODY, 4))[0])


def _span(at: int) -> tuple[int, int]:
    return SPAN.unpack(string_at(at, 16))


def _string(at: int, room: Room) -> str:
    size, data = _span(at + BODY)
    room.take(size)
    return string_at(data, size).decode() if size else ""


def _enum(names: dict[bytes, str]) -> Read:
    def read(at: int, room: Room) -> str:
        size, data = _span(at + BODY)
        return names[string_at(data, size)]

    return read


def _bytes(at: int, room: Room) -> bytes:
    size, data = _span(at + BODY)
    room.take(size)
    return bytes(memoryview((c_ubyte * (size * VALUE)).from_address(data)).cast("B")[BODY::VALUE]) if size else b""


def _list(element: Read) -> Read:
    def read(at: int, room: Room) -> list[Any]:
        size, data = _span(at + BODY)
        room.take(size * ITEM_BYTES)
        return [element(data + number * VALUE, room) for number in range(size)]

    return read


def _record(fields: list[tuple[str, Read]]) -> Read:
    parts = [(name, field, number * ENTRY + ENTRY_VALUE) for number, (name, field) in enumerate(fields)]

    def read(at: int, room: Room) -> dict[str, Any]:
        _, data = _span(at + BODY)
        return {name: field(data + offset, room) for name, field, offset in parts}

    return read


def _tuple(elements: list[Read]) -> Read:
    def read(at: int, room: Room) -> tuple[Any, ...]:
        _, data = _span(at + BODY)
        return tuple([element(data + number * VALUE, room) for number, element in enumerate(elements)])

    return read


def _flags(at: int, room: Room) -> frozenset[str]:
    size, data = _span(at + BODY)
    spans = [_span(data + number * NAME) for number in range(size)]
    return frozenset(string_at(name, length).decode() for length, name in spans)


def _option(payload: Read, *, is_nested: bool) -> Read:
    def read(at: int, room: Room) -> Any:
        (inner,) = WORD.unpack(string_at(at + BODY, 8))
        if not inner:
            return None
        return Some(payload(inner, room)) if is_nested else payload(inner, room)

    return read


def _inner(payload: Read | None, at: int, room: Room) -> Any:
    if payload is None:
        return None
    (inner,) = WORD.unpack(string_at(at, 8))
    return payload(inner, room)


def _result(ok: Read | None, err: Read | None) -> Read:
    def read(at: int, room: Room) -> Any:
        if string_at(at + BODY, 1) != b"\0":
            return Ok(_inner(ok, at + RESULT_VALUE, room))
        return Err(_inner(err, at + RESULT_VALUE, room))

    return read


def _variant(cases: dict[bytes, tuple[str, Read | None]]) -> Read:
    def read(at: int, room: Room) -> Case:
        size, data = _span(at + BODY)
        tag, payload = cases[string_at(data, size)]
        return Case(tag, _inner(payload, at + VARIANT_VALUE, room))

    return read
