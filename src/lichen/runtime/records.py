"""Records as people and programs read them: control by field name, contents opened where the key still exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.words.ids import StreamId
from lichen.log.keys.datakeys import Erased
from lichen.log.log import Log
from lichen.log.records.record import Record
from lichen.runtime.redaction import shown


class RecordView(msgspec.Struct, frozen=True):
    """One record. `contents` is None when its key was destroyed; each part is what its name says, text or decoded."""

    seq: int
    ts_us: int
    stream: str
    n: int
    type: str
    actor: str
    turn: str | None
    control: Mapping[str, Any]
    contents: Mapping[str, Any] | None
    sources: tuple[str, ...] = ()


def view(log: Log, entry: Record) -> RecordView:
    """A record of the log, opened."""
    control = entry.control
    return RecordView(
        seq=entry.seq,
        ts_us=entry.ts_us,
        stream=str(entry.stream),
        n=entry.n,
        type=control.type,
        actor=entry.actor,
        turn=entry.turn,
        control=_fields(control),
        contents=_opened(log, entry.stream, entry.n, control.type),
        sources=entry.label.sources,
    )


def _fields(control: e.Control) -> dict[str, Any]:
    return {name: _plain(getattr(control, name)) for name in control.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]  # type: ignore[misc]
    return value


def _opened(log: Log, stream: StreamId, n: int, kind: str) -> dict[str, Any] | None:
    try:
        contents = log.contents(stream, n)
    except Erased:
        return None
    return {part: shown(log, stream, readable(kind, part, data)) for part, data in contents.items()}


def readable(kind: str, part: str, data: bytes) -> Any:
    """A content by what its part is known to hold: a text stays a text whatever is written in it."""
    name, _, of = part.partition("/")
    if name in _TEXTS or of == "tool" or (name == "operator" and kind != "wait_opened"):
        return data.decode("utf-8", "replace")
    if name == "state":
        return _state(data)
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data.decode("utf-8", "replace")


def _state(data: bytes) -> Any:
    """What a planner kept for itself: rules and flows keep msgpack, own planners what they like."""
    for decode in (msgspec.msgpack.decode, msgspec.json.decode):
        try:
            return msgspec.to_builtins(decode(data), str_keys=True)
        except (msgspec.DecodeError, TypeError, RecursionError):
            continue
    return f"({len(data)} bytes)"


_TEXTS = frozenset(("answer", "channel", "public", "reason", "say", "text"))
"""The parts that are texts, `say/0` among them; every other one but a planner's state is JSON."""
