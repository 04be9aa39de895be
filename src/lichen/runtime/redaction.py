"""What a flow says is to be shown to nobody (`redaction` of a node) is not shown to operators either.

The values of the named fields of a call's result are looked for in everything of the run and its children that is
shown: results, the arguments they went into, the planner's state, the answer. The records themselves stay as they are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.plan import REDACT
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import CallId, StreamId
from lichen.log.log import Log
from lichen.log.records.record import Record

T = TypeVar("T", bound=msgspec.Struct)

HIDDEN: Final = "[redacted]"
STREAMS_MAX: Final = 512  # whose secrets are remembered
SECRETS_MAX: Final = 1_000  # of a run
WHOLE_CHARS_MAX: Final = 3  # a shorter value is hidden only where nothing stands beside it


class _Known:
    """The secrets of a run up to its record `n`."""

    def __init__(self) -> None:
        self.n = 0
        self.fields: dict[CallId, frozenset[str]] = {}
        self.secrets: set[str] = set()


_KNOWN: WeakKeyDictionary[Log, OrderedDict[StreamId, _Known]] = WeakKeyDictionary()


Hide = Callable[[Any], Any]
"""A value without what is to be shown to nobody."""


def hiding(log: Log, stream: StreamId) -> Hide:
    """What makes values of this stream such as may be shown, as of now."""
    secrets = sorted(_secrets(log, stream), key=len, reverse=True)
    return partial(_without, secrets=secrets) if secrets else nothing_hidden


def nothing_hidden(value: Any) -> Any:
    """The value itself."""
    return value


def shown_struct(log: Log, stream: StreamId, value: T) -> T:
    """A struct about this stream as it may be shown."""
    secrets = _secrets(log, stream)
    if not secrets:
        return value
    plain = _without(msgspec.to_builtins(value), sorted(secrets, key=len, reverse=True))
    return msgspec.convert(plain, type(value))


def may_hide(records: Sequence[Record]) -> bool:
    """Whether a run whose plans are among these records may hide something: of a child run, its parent may."""
    if records and "." in records[0].stream.id:
        return True
    return any(sealed.part.endswith(REDACT) for record in records for sealed in record.contents)


def _secrets(log: Log, stream: StreamId) -> set[str]:
    """The secrets of a run and of those it was called by."""
    if stream.kind != "run":
        return set()
    parts = stream.id.split(".")
    family = (StreamId("run", ".".join(parts[: i + 1])) for i in range(len(parts)))
    return {secret for each in family for secret in _known(log, each).secrets}


def _known(log: Log, stream: StreamId) -> _Known:
    remembered = _KNOWN.setdefault(log, OrderedDict())
    known = remembered.setdefault(stream, _Known())
    remembered.move_to_end(stream)
    if len(remembered) > STREAMS_MAX:
        remembered.popitem(last=False)
    for record in log.records(stream, known.n):
        _learn(log, known, record)
        known.n = record.n + 1
    return known


def _learn(log: Log, known: _Known, record: Record) -> None:
    named = [sealed.part for sealed in record.contents if sealed.part.endswith(REDACT)]
    control = record.control
    is_secret = isinstance(control, e.CallFinished) and control.call in known.fields
    if not named and not is_secret:
        return
    try:
        contents = log.contents(record.stream, record.n)
    except ContentErased:
        return
    for part in named:
        known.fields[CallId(part.removesuffix(REDACT))] = frozenset(msgspec.json.decode(contents[part], type=list[str]))
    if isinstance(control, e.CallFinished) and is_secret and len(known.secrets) < SECRETS_MAX:
        result: Any = msgspec.json.decode(contents.get("result", b"null"))
        if isinstance(result, dict):
            for field, value in cast(dict[str, Any], result).items():
                if field in known.fields[control.call]:
                    known.secrets |= set(_leaves(value))


def _leaves(value: Any) -> list[str]:
    match value:
        case dict():
            return [leaf for inner in cast(dict[str, Any], value).values() for leaf in _leaves(inner)]
        case list():
            return [leaf for inner in cast(list[Any], value) for leaf in _leaves(inner)]
        case bool() | None:
            return []
        case _:
            return [str(value)] if str(value) else []


def _without(value: Any, secrets: list[str]) -> Any:
    match value:
        case dict():
            return {key: _without(inner, secrets) for key, inner in cast(dict[str, Any], value).items()}
        case list() | tuple():
            return [_without(inner, secrets) for inner in cast(list[Any], value)]
        case str():
            return _text(value, secrets)
        case int() | float() if not isinstance(value, bool):
            return HIDDEN if str(value) in secrets else value
        case _:
            return value


def _text(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        if text == secret:
            return HIDDEN
        if len(secret) > WHOLE_CHARS_MAX:
            for form in dict.fromkeys((secret, msgspec.json.encode(secret).decode()[1:-1])):
                text = text.replace(form, HIDDEN)
    return text
