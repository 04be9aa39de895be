"""JSON that strangers wrote, read strictly: every object key once, every number finite and exact, nesting bounded."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, NoReturn, cast

from lichen.core.ports.call import ARGUMENT_BYTES_MAX, ISSUES_MAX, InvalidArguments, Issue

DEPTH_MAX = 64
INTEGER_MAX = 2**63 - 1  # a policy's long; the least is -INTEGER_MAX - 1

_NESTING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)
_FIELD_NAME = re.compile(r"[^\W\d][\w.-]{0,63}")
_INTEGER_DIGITS_MAX = 20


class Flaw(NamedTuple):
    """Stands in a parsed document where a value cannot be used."""

    constraint: str
    message: str


class Repeated(dict[str, Any]):
    """A parsed object that held some keys, `names`, more than once."""

    names: tuple[str, ...] = ()


def parse(args: bytes) -> Any:
    """The JSON document in `args`, which is UTF-8 of at most ARGUMENT_BYTES_MAX bytes and DEPTH_MAX levels (RFC 8259).

    Raises InvalidArguments: for keys that repeat, NaN and infinities, integers beyond 64 bits, and anything that is
    not JSON. An issue tells the place and the rule, never a value.
    """
    if len(args) > ARGUMENT_BYTES_MAX:
        raise _refused("invalid_length", f"The arguments must be at most {ARGUMENT_BYTES_MAX} bytes long.")
    if _is_too_deep(args):
        raise _refused("invalid_length", f"The arguments must be nested at most {DEPTH_MAX} levels deep.")
    try:
        return _STRICT.decode(args.decode())
    except (ValueError, RecursionError):
        raise InvalidArguments(_explained(args)) from None


def pointer(parts: Sequence[str | int]) -> str:
    """The JSON pointer (RFC 6901) to `parts`. A part that cannot be a field's name is shown as `?`.

    Keys may be anything a model wrote, and pointers end up in logs.
    """
    return "".join(f"/{_shown(part)}" for part in parts)


def dump(tree: Any) -> bytes:
    """`tree` as canonical JSON: UTF-8, sorted keys, no spaces. Raises ValueError for NaN, infinities and surrogates."""
    return _CANONICAL.encode(tree).encode()


def _shown(part: str | int) -> str:
    if isinstance(part, int):
        return str(part)
    return part if _FIELD_NAME.fullmatch(part) else "?"


def _refused(constraint: str, message: str, field: str = "") -> InvalidArguments:
    return InvalidArguments((Issue(field, constraint, message),))


def _is_too_deep(args: bytes) -> bool:
    """Whether brackets nest deeper than DEPTH_MAX. Asked before parsing, because a parser recurses."""
    if args.count(b"[") + args.count(b"{") <= DEPTH_MAX:
        return False
    depth = 0
    for token in _NESTING.finditer(args):
        first = args[token.start()]
        depth += (first in b"[{") - (first in b"]}")
        if depth > DEPTH_MAX:
            return True
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def _integer(text: str) -> int:
    if len(text) > _INTEGER_DIGITS_MAX or not -INTEGER_MAX - 1 <= (value := int(text)) <= INTEGER_MAX:
        raise ValueError
    return value


def _number(text: str) -> float:
    if abs(value := float(text)) == float("inf"):
        raise ValueError
    return value


def _constant(_text: str) -> NoReturn:
    raise ValueError


# Decodes or raises; what is wrong with a document that it refuses, `_explained` finds out at leisure.
_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _explained(args: bytes) -> tuple[Issue, ...]:
    """Everything that is wrong with a document that is not strict JSON, at most ISSUES_MAX issues."""
    try:
        tree = _LENIENT.decode(args.decode())
    except (ValueError, RecursionError):
        return (Issue("", "invalid_format", "The arguments must be JSON in UTF-8."),)
    return tuple(islice(_flaws(tree, ()), ISSUES_MAX))


def _object_or_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    repeated = Repeated(made)
    repeated.names = tuple(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return repeated


def _or_flaw(read: Callable[[str], Any], flaw: Flaw) -> Callable[[str], Any]:
    def reader(text: str) -> Any:
        try:
            return read(text)
        except ValueError:
            return flaw

    return reader


_LENIENT = json.JSONDecoder(
    object_pairs_hook=_object_or_repeated,
    parse_int=_or_flaw(_integer, Flaw("invalid_range", "must be an integer of at most 64 bits.")),
    parse_float=_or_flaw(_number, Flaw("invalid_range", "must be a finite number.")),
    parse_constant=_or_flaw(_constant, Flaw("invalid_format", "must be a number that JSON can write.")),
)


def _flaws(tree: Any, at: tuple[str | int, ...]) -> Iterator[Issue]:
    match tree:
        case Flaw():
            yield Issue(pointer(at), tree.constraint, tree.message)
        case dict():
            for name in tree.names if isinstance(tree, Repeated) else ():
                yield Issue(pointer((*at, name)), "invalid_format", "must be given only once.")
            for name, value in cast("dict[str, Any]", tree).items():
                yield from _flaws(value, (*at, name))
        case list():
            for index, value in enumerate(cast("list[Any]", tree)):
                yield from _flaws(value, (*at, index))
        case _:
            return
