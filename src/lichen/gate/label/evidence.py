"""What accepted sources said, as values that an argument can be compared with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

import msgspec

from lichen.core.ports.policy import Evidence
from lichen.core.reading.numbers import clipped, numbers

VALUES_MAX: Final = 4096
TEXT_CHARS_MAX: Final = 64 * 1024  # of a text; what follows endorses nothing
DEPTH_MAX: Final = 32
ECHO_DIGITS_MIN: Final = 3  # fewer are in too many things
DIGITS_MAX: Final = 64  # of a number; beyond, it is compared as it is written

Scalar = str | int | bool | Decimal

_QUOTED = re.compile(
    r"\"([^\"\n]{1,512})\"|“([^”\n]{1,512})”|„([^“”\n]{1,512})[“”]|«([^»\n]{1,512})»|'([^'\n]{1,512})'"
)
_EMAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_AROUND: Final = ".,;:!?()[]{}<>\"'“”„«»`*_…"


def normal(text: str) -> str:
    """The form in which two texts are compared: Unicode NFC, without space around, in no case."""
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip().casefold()


def evidence_from_text(source: str, text: str, *, language: str = "") -> Evidence:
    """What `source` said in its own words.

    The whole text, its quoted phrases, e-mail addresses, words and numbers, at most `VALUES_MAX` of them. A whole
    number is an int, a fraction a Decimal; both are read as agents and flows read them (`core.reading.numbers`). What
    could mean two numbers in the language endorses none.
    """
    return Evidence(source, _first(_spoken(clipped(text, TEXT_CHARS_MAX), language)))


def evidence_from_form(source: str, data: Any, *, language: str = "") -> Evidence:
    """What `source` said in the fields of a form: their texts as words of its own."""
    return Evidence(source, _first(_filled_in(data, language)))


def evidence_from_json(
    source: str,
    data: bytes,
    fields: Collection[str] | None = None,
    *,
    given: bytes = b"{}",
    known: Set[str] = frozenset(),
) -> Evidence:
    """What a tool's record says: the scalars of these top-level fields, of all of them if `fields` is None.

    Values that the tool was `given` it does not vouch for by repeating them, in whatever notation, nor for any whose
    `notations` are `known` to come from elsewhere. Bytes that are no JSON say nothing.
    """
    try:
        document, repeated = msgspec.json.decode(data), msgspec.json.decode(given)
    except msgspec.DecodeError:
        return Evidence(source, ())
    if fields is not None:
        record = cast(Mapping[str, Any], document if isinstance(document, dict) else {})
        document = [record[field] for field in fields if field in record]
    echoes = {_plain(value) for value in _leaves(repeated)}
    return Evidence(
        source,
        _first(
            value
            for value in _scalars(document)
            if _plain(value) not in echoes and (not known or known.isdisjoint(_notations(value)))
        ),
    )


def notations(data: bytes) -> set[str]:
    """Everything that JSON holds, names included, in forms that stay the same when a tool writes a value anew: in
    another case, without its spaces and marks, as its digits alone."""
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return set()
    return {form for value in _leaves(document, is_named=True) for form in _notations(value)}


def _notations(value: Scalar | float) -> Iterator[str]:
    text = unicodedata.normalize("NFKC", str(value)).casefold()
    yield _plain(value)
    yield "".join(filter(str.isalnum, text))
    digits = "".join(filter(str.isdecimal, text)).strip("0")
    if len(digits) >= ECHO_DIGITS_MIN:
        yield f"#{digits}"


def _plain(value: Scalar | float) -> str:
    """One notation for everything that reads the same: 8050, "8050" and "8050.00"; true and "True"."""
    text = normal(str(value))
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return f"{number.normalize():f}" if number.is_finite() and abs(number.adjusted()) < DIGITS_MAX else text


def _leaves(value: Any, *, is_named: bool = False) -> Iterator[Scalar | float]:
    """Every scalar, however deep, and if wanted the names."""
    left: list[Any] = [value]
    while left:
        one: Any = left.pop()
        match one:
            case dict():
                left.extend(cast(dict[str, Any], one).values())
                yield from cast(dict[str, Any], one) if is_named else ()
            case list():
                left.extend(cast(list[Any], one))
            case None:
                continue
            case _:
                yield one


def _first(values: Iterable[Scalar]) -> tuple[Scalar, ...]:
    """The first different values. True and 1 differ."""
    found: dict[str | tuple[type, Scalar], Scalar] = {}
    for value in values:
        key = value if type(value) is str else (type(value), value)
        if key not in found:
            found[key] = value
            if len(found) == VALUES_MAX:
                break
    return tuple(found.values())


def _spoken(text: str, language: str) -> Iterator[Scalar]:
    yield normal(text)
    for match in _QUOTED.finditer(text):
        yield normal(next(group for group in match.groups() if group))
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield normal(match[0])
    for word in text.split():
        bare = word.strip(_AROUND)
        if bare.isalpha():  # most words: no mark before it
            yield normal(bare)
        elif bare:
            yield normal(bare)
            yield normal(bare.lstrip("#@"))
    for number in numbers(text, language):
        if number.value is not None:
            yield number_of(number.value)


def number_of(value: Decimal) -> int | Decimal:
    """The one form of a number: a whole one is an int."""
    return int(value) if value == value.to_integral_value() else value.normalize()


def _filled_in(data: Any, language: str) -> Iterator[Scalar]:
    for value in _scalars(data, keep=str):
        if isinstance(value, str):
            yield from _spoken(clipped(value, TEXT_CHARS_MAX), language)
        else:
            yield value


def _scalars(value: Any, depth: int = 0, *, keep: Callable[[str], str] = normal) -> Iterator[Scalar]:
    match value:
        case bool() | int():
            yield value
        case str():
            yield keep(value)
        case float():
            yield number_of(Decimal(str(value)))
        case dict() if depth < DEPTH_MAX:
            for field in cast(dict[str, Any], value).values():
                yield from _scalars(field, depth + 1, keep=keep)
        case list() if depth < DEPTH_MAX:
            for item in cast(list[Any], value):
                yield from _scalars(item, depth + 1, keep=keep)
        case _:
            return
