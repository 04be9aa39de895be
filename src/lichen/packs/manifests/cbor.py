"""CBOR of strangers as plain values, and plain values as CBOR: bounded, without tags, and byte for byte the same again.

Text, bytes, numbers, booleans, null, lists and maps; a map or list of indefinite length is remembered as one. There
is one canonical spelling beside: text keys by (encoded length, bytes), definite lengths, no floats, no tags.

Source: RFC 8949 (CBOR), section 3.4.6 (self-described); RFC 7049 section 3.9 (canonical order); Greentic
`canonical_cbor`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, Final, cast

import msgspec

from lichen.core.words.errors import Invalid

_REBUILD: Final = "Build the pack anew, with `lichen pack build`."
_SELF: Final = b"\xd9\xd9\xf7"  # the tag that says "this is CBOR"
_UINT, _NINT, _BYTES, _TEXT, _LIST, _MAP, _TAG, _OTHER = range(8)
_BREAK: Final = 0xFF
_HALF, _SINGLE, _DOUBLE = struct.Struct(">e"), struct.Struct(">f"), struct.Struct(">d")
_WIDTHS: Final = {25: _HALF, 26: _SINGLE, 27: _DOUBLE}


class Bounds(msgspec.Struct, frozen=True):
    """How large a document may be."""

    total_bytes: int = 16 * 1024 * 1024
    depth: int = 48
    items: int = 500_000


BOUNDS: Final = Bounds()


class IndefiniteMap(dict[Any, Any]):
    """A map that was written without its length, and is again."""


class IndefiniteList(list[Any]):
    """A list that was written without its length, and is again."""


class Document(msgspec.Struct, frozen=True):
    """A whole document: its value, and whether it says of itself that it is CBOR."""

    value: Any
    described: bool = False


def decoded(data: bytes, place: str, bounds: Bounds = BOUNDS) -> Document:
    """What a document says. Raises Invalid (`cbor_invalid`, `cbor_too_large`, `cbor_key_twice`, `cbor_tagged`)."""
    if len(data) > bounds.total_bytes:
        raise _cbor_error(place, f"It has more than {bounds.total_bytes} bytes.", code="cbor_too_large")
    described = data.startswith(_SELF)
    reader = _Reader(data, place, bounds, len(_SELF) if described else 0)
    value = reader.value(())
    if reader.at != len(data):
        raise _cbor_error(place, f"Something stands after its end, from byte {reader.at} on.", code="cbor_invalid")
    return Document(value, described)


def encoded(document: Document) -> bytes:
    """A document as bytes: those it was read from, wherever these were written with shortest lengths."""
    out = bytearray(_SELF if document.described else b"")
    _write(out, document.value)
    return bytes(out)


def canonical(value: Any) -> bytes:
    """The one canonical spelling of a value. Raises Invalid (`cbor_not_canonical`) for floats and keys of numbers."""
    out = bytearray()
    _write(out, _ordered(value, ""))
    return bytes(out)


def is_canonical(data: bytes, place: str) -> bool:
    """Whether a document is in its canonical spelling. Raises what `decoded` raises."""
    document = decoded(data, place)
    try:
        return not document.described and canonical(document.value) == data
    except Invalid:
        return False


def pointer(steps: tuple[str | int, ...]) -> str:
    """The JSON pointer (RFC 6901) of a place in a document."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


class _Reader:
    """Reads one document from its first byte to its last."""

    def __init__(self, data: bytes, place: str, bounds: Bounds, at: int) -> None:
        self.at = at
        self._data, self._place, self._bounds = data, place, bounds
        self._items = 0

    def value(self, steps: tuple[str | int, ...]) -> Any:
        """The next value. It is at these steps of the document."""
        self._items += 1
        if len(steps) > self._bounds.depth or self._items > self._bounds.items:
            bound = f"{self._bounds.depth} levels or {self._bounds.items} values"
            raise self._here(steps, f"It has more than {bound}.", code="cbor_too_large")
        kind, info = divmod(self._take(1, steps)[0], 32)
        if kind == _OTHER:
            return self._other(info, steps)
        if info == 31 and kind in (_LIST, _MAP):
            return self._list(None, steps) if kind == _LIST else self._map(None, steps)
        size = self._number(info, steps)
        match kind:
            case 0:
                return size
            case 1:
                return -1 - size
            case 2:
                return self._take(size, steps)
            case 3:
                return self._text(size, steps)
            case 4:
                return self._list(size, steps)
            case 5:
                return self._map(size, steps)
            case _:
                raise self._here(steps, f"A value has the tag {size}.", code="cbor_tagged")

    def _take(self, size: int, steps: tuple[str | int, ...]) -> bytes:
        found = self._data[self.at : self.at + size]
        if len(found) != size:
            raise self._here(steps, "It ends too early.", code="cbor_invalid")
        self.at += size
        return found

    def _number(self, info: int, steps: tuple[str | int, ...]) -> int:
        if info < 24:
            return info
        if info > 27:
            raise self._here(steps, "A value begins as none can.", code="cbor_invalid")
        return int.from_bytes(self._take(1 << (info - 24), steps), "big")

    def _text(self, size: int, steps: tuple[str | int, ...]) -> str:
        try:
            return self._take(size, steps).decode()
        except UnicodeDecodeError:
            raise self._here(steps, "A text is not UTF-8.", code="cbor_invalid") from None

    def _other(self, info: int, steps: tuple[str | int, ...]) -> Any:
        if info in (20, 21):
            return info == 21
        if info == 22:
            return None
        if width := _WIDTHS.get(info):
            return width.unpack(self._take(width.size, steps))[0]
        raise self._here(steps, "A value is of a kind that no manifest has.", code="cbor_invalid")

    def _list(self, size: int | None, steps: tuple[str | int, ...]) -> list[Any]:
        found: list[Any] = IndefiniteList() if size is None else []
        found.extend(self.value((*steps, i)) for i in self._counted(size, steps))
        return found

    def _map(self, size: int | None, steps: tuple[str | int, ...]) -> dict[Any, Any]:
        found: dict[Any, Any] = IndefiniteMap() if size is None else {}
        for _ in self._counted(size, steps):
            key = self.value((*steps, "*"))
            if type(key) not in (str, int):
                raise self._here(steps, "A key is neither text nor a number.", code="cbor_invalid")
            if key in found:
                raise self._here((*steps, key), "A key stands there twice.", code="cbor_key_twice")
            found[key] = self.value((*steps, key))
        return found

    def _counted(self, size: int | None, steps: tuple[str | int, ...]) -> Iterator[int]:
        """As many numbers as there are items; a length that the rest of the document cannot hold is refused."""
        if size is not None:
            if size > len(self._data) - self.at:
                raise self._here(steps, "It ends too early.", code="cbor_invalid")
            yield from range(size)
            return
        i = 0
        while self._data[self.at : self.at + 1] != bytes([_BREAK]):
            yield i
            i += 1
        self.at += 1

    def _here(self, steps: tuple[str | int, ...], message: str, *, code: str) -> Invalid:
        where = f"{self._place}#{pointer(steps)}" if steps else self._place
        return Invalid(f"{message} (byte {self.at})", code=code, place=where, next_step=_REBUILD)


def _cbor_error(place: str, message: str, *, code: str) -> Invalid:
    return Invalid(message, code=code, place=place, next_step=_REBUILD)


# -- written ---------------------------------------------------------------------------------------------------------


def _write(out: bytearray, value: Any) -> None:
    match value:
        case bool() | None:
            out.append({False: 0xF4, True: 0xF5, None: 0xF6}[value])
        case int():
            _write_head(out, _UINT if value >= 0 else _NINT, value if value >= 0 else -1 - value)
        case float():
            _write_float(out, value)
        case str():
            raw = value.encode()
            _write_head(out, _TEXT, len(raw))
            out += raw
        case bytes():
            _write_head(out, _BYTES, len(value))
            out += value
        case dict():
            _write_many(out, _MAP, cast("dict[Any, Any]", value))
        case list() | tuple():
            _write_many(out, _LIST, cast("list[Any]", value))
        case _:
            raise TypeError(f"no value of CBOR: {type(value).__name__}")


def _write_many(out: bytearray, kind: int, value: dict[Any, Any] | list[Any]) -> None:
    is_open = isinstance(value, IndefiniteMap | IndefiniteList)
    if is_open:
        out.append(kind << 5 | 31)
    else:
        _write_head(out, kind, len(value))
    for item in value:
        _write(out, item)
        if isinstance(value, dict):
            _write(out, value[item])
    if is_open:
        out.append(_BREAK)


def _write_head(out: bytearray, kind: int, number: int) -> None:
    if number < 24:
        out.append(kind << 5 | number)
        return
    width = next((i for i in range(4) if number < 1 << (8 << i)), None)
    if width is None:
        raise OverflowError("a number has more than 64 bits")
    out.append(kind << 5 | (24 + width))
    out += number.to_bytes(1 << width, "big")


def _write_float(out: bytearray, value: float) -> None:
    if math.isnan(value):
        out += b"\xf9\x7e\x00"
        return
    for info, width in _WIDTHS.items():
        try:
            raw = width.pack(value)
        except OverflowError:
            continue
        if width.unpack(raw)[0] == value:
            out.append(_OTHER << 5 | info)
            out += raw
            return


def _ordered(value: Any, where: str) -> Any:
    """A value with its keys in canonical order."""
    match value:
        case dict():
            table = cast("dict[Any, Any]", value)
            if any(not isinstance(key, str) for key in table):
                raise _uncanonical(where, "A key is no text.")
            keys = sorted(cast("list[str]", list(table)), key=lambda key: (len(key.encode()), key.encode()))
            return {key: _ordered(table[key], f"{where}/{key}") for key in keys}
        case list() | tuple():
            return [_ordered(each, f"{where}/{i}") for i, each in enumerate(cast("list[Any]", value))]
        case float():
            raise _uncanonical(where, "A number has a fraction.")
        case _:
            return value


def _uncanonical(where: str, message: str) -> Invalid:
    step = "Take it out: what is compared by its bytes has texts as keys, and whole numbers."
    return Invalid(message, code="cbor_not_canonical", place=f"#{where}", next_step=step)
