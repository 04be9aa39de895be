"""Records as people and programs read them: control by field name, contents opened where the key still exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.core import events as e
from lichen.core.ids import StreamId
from lichen.log.datakeys import Erased
from lichen.log.log import Log
from lichen.log.record import Record


class RecordView(msgspec.Struct, frozen=True):
    """One record. `contents` is None when its key was destroyed; JSON parts are decoded, others are text."""

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
        contents=_opened(log, entry.stream, entry.n),
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


def _opened(log: Log, stream: StreamId, n: int) -> dict[str, Any] | None:
    try:
        contents = log.contents(stream, n)
    except Erased:
        return None
    return {part: _readable(data) for part, data in contents.items()}


def _readable(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data.decode("utf-8", "replace")
