"""Record v1: the bytes that are appended once, hashed as they are, and read for as long as the log lives.

A record is one msgpack array in a fixed order. `RECORD.md` describes it byte by byte; golden logs hold it in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import msgspec

from lichen.core.deciders.events import TYPES, Control, Event
from lichen.core.words.errors import Corrupt
from lichen.core.words.ids import LogId, StreamId
from lichen.core.words.label import EMPTY, Label

FORMAT_V = 1
RECORD_BYTES_MAX = 8 * 1024 * 1024  # large contents lie in blobs, so only many small ones get near it


class Blob(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A ciphertext that lies beside the log: its SHA-256 and its length."""

    digest: bytes
    size: int


class SealedPart(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One content of a record: AES-256-GCM under data key `key_id`, the ciphertext inline or in a blob."""

    part: str
    key_id: int
    nonce: bytes
    body: bytes | Blob


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record. `seq` counts the log's records from 1, `n` the stream's from 0, `ts_us` is microseconds since 1970.

    `cause` is the seq of the record this one answers, 0 without one; `actor` is a pseudonym, empty for the system.
    """

    v: int
    log: LogId
    seq: int
    ts_us: int
    stream: StreamId
    n: int
    key: str
    type: str
    type_v: int
    cause: int
    actor: str
    turn: str | None
    control: Control
    contents: tuple[SealedPart, ...] = ()
    label: Label = EMPTY

    @property
    def event(self) -> Event:
        """The record as deciders see it."""
        return Event(self.n, self.ts_us, self.control, self.label)


class _Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The same fifteen fields before it is known which control the eighth one announces."""

    v: Literal[1]
    log: str
    seq: int
    ts_us: int
    stream: StreamId
    n: int
    key: str
    type: str
    type_v: int
    cause: int
    actor: str
    turn: str | None
    control: msgspec.Raw
    contents: tuple[SealedPart, ...]
    label: Label


_encoder = msgspec.msgpack.Encoder()
_wire = msgspec.msgpack.Decoder(_Wire)
_controls = {name: msgspec.msgpack.Decoder(control) for name, control in TYPES.items()}


encode: Callable[[Record], bytes] = _encoder.encode
"""The stored bytes of a record."""


def decode(data: bytes) -> Record:
    """The record that `data` holds. Raises Corrupt (`record_malformed`) for bytes that are not a record v1."""
    try:
        wire = _wire.decode(data)
        control = _controls[wire.type].decode(wire.control)
    except KeyError:
        raise _malformed("The record is of a type this version does not know.") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise _malformed("The bytes are not a record.") from error
    if wire.type_v > type(control).type_v:
        raise _malformed("The record's type has a newer version than this program knows.")
    return Record(
        wire.v,
        cast(LogId, wire.log),
        wire.seq,
        wire.ts_us,
        wire.stream,
        wire.n,
        wire.key,
        wire.type,
        wire.type_v,
        wire.cause,
        wire.actor,
        wire.turn,
        control,
        wire.contents,
        wire.label,
    )


def aad(log: LogId, stream: StreamId, n: int, *, key: str, kind: str, part: str) -> bytes:
    """What a sealed content is bound to: moved to any other place, it no longer opens. `kind` is the record type."""
    return _encoder.encode((log, stream.kind, stream.id, n, key, kind, part))


def _malformed(message: str) -> Corrupt:
    return Corrupt(message, code="record_malformed")
