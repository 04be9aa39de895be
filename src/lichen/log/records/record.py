"""Record v1: the bytes that are appended once, hashed as they are, and read for as long as the log lives.

A stored record is one msgpack array in a fixed order. It holds one fact, or several consecutive ones of a stream; read,
each fact is a Record of its own. `RECORD.md` describes the bytes; golden logs hold them in place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, Self, cast

import msgspec

from lichen.core.deciders.events import TYPES, Control, Event, Unknown
from lichen.core.words.errors import Corrupt
from lichen.core.words.ids import LogId, StreamId
from lichen.core.words.label import EMPTY, Label

FORMAT_V = 1
FACTS = "facts"  # the type of a record that holds several
FACTS_V = 1
FACTS_MAX = 16
PLACE = r"([0-9]{1,15})(?:\.([0-9]{1,2}))?"
RECORD_BYTES_MAX = 8 * 1024 * 1024  # large contents lie in blobs, so only many small ones get near it


_PLACE = re.compile(PLACE)


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


class Place(NamedTuple):
    """The place of a fact in its log: stored record `seq`, counted from 1, and fact `i` in it, counted from 0.

    Written it is `seq.i`; `seq` alone is all that is stored there.
    """

    seq: int
    i: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.i}"

    @classmethod
    def last(cls, seq: int) -> Self:
        """Behind every fact that is stored at `seq`."""
        return cls(seq, FACTS_MAX)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The place that is written so; None for what is none."""
        found = _PLACE.fullmatch(text)
        if found is None:
            return None
        seq, i = int(found[1]), found[2]
        return cls.last(seq) if i is None else cls(seq, int(i))


class Record(msgspec.Struct, frozen=True, gc=False):
    """One fact as it was recorded. `n` counts the stream's facts from 0, `ts_us` is microseconds since 1970.

    `seq` counts the log's stored records from 1; `i` counts the facts that share one from 0. `cause` is the seq of the
    record this one answers, 0 without one; `actor` is a pseudonym, empty for the system.
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
    i: int = 0

    @property
    def place(self) -> Place:
        """Where in the log it is."""
        return Place(self.seq, self.i)

    @property
    def event(self) -> Event:
        """The record as deciders see it."""
        return Event(self.n, self.ts_us, self.control, self.label)


class _Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The fifteen elements before it is known which control the eighth one announces."""

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


class _Fact(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One of several facts: how long after the record's time it was, and the last nine elements it would have alone."""

    after_us: int
    key: str
    type: str
    type_v: int
    cause: int
    actor: str
    turn: str | None
    control: msgspec.Raw
    contents: tuple[SealedPart, ...]
    label: Label


_encode = msgspec.msgpack.Encoder().encode
_wire = msgspec.msgpack.Decoder(_Wire)
_facts = msgspec.msgpack.Decoder(tuple[_Fact, ...])
_controls = {name: msgspec.msgpack.Decoder(control) for name, control in TYPES.items()}

_ALONE, _SHARED = b"\x9f", b"\x9a"  # arrays of fifteen elements, and of ten
_NO_CONTENTS_NO_LABEL = b"\x90\x92\x90\x00"


# -- writing -----------------------------------------------------------------------------------------------------


def fact_bytes(
    key: str,
    control: Control,
    header: tuple[int, str, str | None],
    contents: tuple[SealedPart, ...],
    label: Label,
) -> bytes:
    """What the bytes of a fact end with, alone or beside others: its elements from the key to the label.

    `header` is cause, actor and turn.
    """
    return _encode((key, control.type, control.type_v, *header, control, contents, label))[1:]


def stored(facts: Sequence[tuple[Record, bytes]]) -> bytes:
    """The bytes of a stored record with these facts, each with its `fact_bytes`."""
    first, data = facts[0]
    head = _ALONE + _encode((first.v, first.log, first.seq, first.ts_us, first.stream, first.n))[1:]
    if len(facts) == 1:
        return head + data
    shared = [_SHARED + _encode(each.ts_us - first.ts_us) + data for each, data in facts]
    control = _array(len(shared)) + b"".join(shared)
    return head + _encode((first.key, FACTS, FACTS_V, 0, "", None))[1:] + control + _NO_CONTENTS_NO_LABEL


def encode(facts: Sequence[Record]) -> bytes:
    """The bytes of a stored record with these facts."""
    return stored([(each, _fact_bytes(each)) for each in facts])


def _fact_bytes(r: Record) -> bytes:
    control = msgspec.Raw(r.control.data) if isinstance(r.control, Unknown) else r.control
    return _encode((r.key, r.type, r.type_v, r.cause, r.actor, r.turn, control, r.contents, r.label))[1:]


def _array(count: int) -> bytes:
    """The beginning of a msgpack array of fewer than 65,536 elements."""
    return bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")


# -- reading -----------------------------------------------------------------------------------------------------


def decode(data: bytes) -> tuple[Record, ...]:
    """The facts that `data` holds, in order. Raises Corrupt (`record_malformed`) for bytes that are not a record v1.

    A fact of a type, or a version of one, that this program does not know has the control Unknown.
    """
    try:
        wire = _wire.decode(data)
        if wire.type == FACTS and wire.type_v == FACTS_V:
            return tuple(_record(wire, fact, i) for i, fact in enumerate(_shared(wire)))
        return (_record(wire, wire, 0),)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _malformed("The bytes are not a record.") from error


def _shared(wire: _Wire) -> tuple[_Fact, ...]:
    """The facts of a record that holds several: written in the one way there is. Raises ValueError."""
    facts = _facts.decode(wire.control)
    is_plain = (wire.cause, wire.actor, wire.turn, wire.contents, wire.label) == (0, "", None, (), EMPTY)
    is_in_order = all(before.after_us <= after.after_us for before, after in pairwise(facts))
    if not (is_plain and is_in_order and 2 <= len(facts) <= FACTS_MAX and facts[0].after_us == 0):
        raise ValueError("not how several facts are written")
    if facts[0].key != wire.key:
        raise ValueError("the key is not that of the first fact")
    return facts


def _record(wire: _Wire, fact: _Wire | _Fact, i: int) -> Record:
    control = _control(fact)
    return Record(
        wire.v,
        cast(LogId, wire.log),
        wire.seq,
        wire.ts_us + (fact.after_us if isinstance(fact, _Fact) else 0),
        wire.stream,
        wire.n + i,
        fact.key,
        fact.type,
        fact.type_v,
        fact.cause,
        fact.actor,
        fact.turn,
        control,
        fact.contents,
        fact.label,
        i,
    )


def _control(fact: _Wire | _Fact) -> Control:
    known = TYPES.get(fact.type)
    if known is None or fact.type_v > known.type_v:
        return Unknown(fact.key, bytes(fact.control))
    return _controls[fact.type].decode(fact.control)


def aad(log: LogId, stream: StreamId, n: int, *, key: str, kind: str, part: str) -> bytes:
    """What a sealed content is bound to: moved to any other place, it no longer opens. `kind` is the record type."""
    return _encode((log, stream.kind, stream.id, n, key, kind, part))


def _malformed(message: str) -> Corrupt:
    return Corrupt(message, code="record_malformed")
