"""Exports: records with the proof that they are in a signed log, checked offline with nothing but a public key.

The document is JSON in one spelling: an export that was not written byte for byte by `export` is refused, so changing
any byte is found. Each record has an RFC 6962 inclusion proof against one signed head.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from typing import Literal

import msgspec

from lichen.core.words.errors import Corrupt, Invalid
from lichen.core.words.ids import StreamId
from lichen.log.log import Log
from lichen.log.projections.streams import stream_row, stream_rows
from lichen.log.proof.checkpoint import TreeHead, parse_and_verify
from lichen.log.proof.tree import leaf_hash, node_hash, verify_inclusion
from lichen.log.records.record import Record, decode
from lichen.log.store.port import Reading
from lichen.log.views.queries import Queries

FORMAT = "lichen-export/1"
RECORDS_MAX = 100_000

Selection = StreamId | range
"""A run, a session with its runs, or positions of the log."""


class ProvenRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record: its position, its stored bytes, and the siblings on its path to the root, the lowest first."""

    seq: int
    record: bytes
    proof: tuple[bytes, ...]


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document. `checkpoint` is the signed head's text, `public_key` the 32 bytes that check it."""

    format: Literal["lichen-export/1"]
    log: str
    public_key: bytes
    checkpoint: str
    records: tuple[ProvenRecord, ...]


class ExportReport(msgspec.Struct, frozen=True):
    """A document that holds: the head it was checked against, and its records in the log's order.

    `is_key_known` is false when the document was checked with its own key only: then it merely agrees with itself.
    """

    head: TreeHead
    public_key: bytes
    is_key_known: bool
    records: tuple[Record, ...]

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """The positions that are there, as first and last of each stretch without a gap."""
        found: list[tuple[int, int]] = []
        for record in self.records:
            if found and found[-1][1] <= record.seq <= found[-1][1] + 1:
                found[-1] = (found[-1][0], record.seq)
            else:
                found.append((record.seq, record.seq))
        return tuple(found)

    @property
    def is_whole(self) -> bool:
        """Whether every record up to the signed head is there."""
        return self.runs == ((1, self.head.size),)


_decoder = msgspec.json.Decoder(Export)


async def export(log: Log, selection: Selection) -> bytes:
    """The document for these records, signed as of now.

    Raises Invalid (`export_empty`, `export_too_large`), Unavailable.
    """
    await log.durable()
    await log.sign()
    return await asyncio.to_thread(_export, log, selection)


def verify_export(data: bytes, public_key: bytes | None = None) -> ExportReport:
    """Checks a document against the log's public key, or, without one, against itself. Raises Corrupt with the place.

    Offline: needs nothing but what it is given.
    """
    document = _parse(data)
    if public_key is not None and document.public_key != public_key:
        raise _corrupt("The export was signed by another key than the one it is checked with.")
    head = parse_and_verify(document.checkpoint.encode(), document.public_key)
    if head.log_id != document.log:
        raise _corrupt("The signed head is that of another log.")
    if not document.records:
        raise _corrupt("The export holds no record, so it proves nothing.")
    if any(after.seq <= before.seq for before, after in pairwise(document.records)):
        raise _corrupt("The records are not in the log's order.")
    records = tuple(record for each in document.records for record in _proven(each, head))
    return ExportReport(head, document.public_key, public_key is not None, records)


def _parse(data: bytes) -> Export:
    try:
        document = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _corrupt("The file is not an export.") from error
    if _encode(document) != data:
        raise _corrupt("The export is not spelled as its writer would.")
    return document


def _proven(each: ProvenRecord, head: TreeHead) -> tuple[Record, ...]:
    place = f"{head.log_id}:{each.seq}"
    if not verify_inclusion(leaf_hash(each.record), each.seq - 1, head.size, each.proof, head.root):
        raise _corrupt("The record is not the one that was signed at this position.", place)
    facts = decode(each.record)
    if (facts[0].log, facts[0].seq) != (head.log_id, each.seq):
        raise _corrupt("The record belongs to another position.", place)
    return facts


def _encode(document: Export) -> bytes:
    return msgspec.json.encode(document) + b"\n"


def _corrupt(message: str, place: str | None = None) -> Corrupt:
    return Corrupt(message, code="export_corrupt", next_step="Ask for the export again.", place=place)


# -- making one --------------------------------------------------------------------------------------------------


def _export(log: Log, selection: Selection) -> bytes:
    """In a thread: reads the whole log up to the head once, for the tree."""
    with closing(log.read_apart()) as reading:
        queries = Queries(reading, log.number)
        text = _last_head(queries)
        head = parse_and_verify(text, log.public_key)
        chosen = _chosen(reading, log.number, selection, head.size)
        proofs = _proofs(_levels(queries, head.size), [seq - 1 for seq, _ in chosen])
    records = tuple(ProvenRecord(seq, data, proof) for (seq, data), proof in zip(chosen, proofs, strict=True))
    return _encode(Export(FORMAT, log.id, log.public_key, text.decode(), records))


def _last_head(queries: Queries) -> bytes:
    heads = queries.checkpoints(1)
    if not heads:
        raise Corrupt("The log has no signed head.")
    return heads[0]


def _chosen(reading: Reading, log: int, selection: Selection, size: int) -> list[tuple[int, bytes]]:
    """Position and bytes of the selected records, in the log's order."""
    queries = Queries(reading, log)
    if isinstance(selection, range):
        found = queries.data_between(selection.start, min(size, selection.stop - 1), RECORDS_MAX + 1)
    else:
        found = list[tuple[int, bytes]]()
        for number in _streams(reading, log, selection):
            found += queries.data_of(number, size, RECORDS_MAX + 1 - len(found))
        found.sort()
    if not found:
        raise Invalid(
            "Nothing is selected by this.", code="export_empty", next_step="Name a run, session or positions."
        )
    if len(found) > RECORDS_MAX:
        raise Invalid(
            f"An export holds at most {RECORDS_MAX} records.", code="export_too_large", next_step="Export it in parts."
        )
    return found


def _streams(reading: Reading, log: int, selection: StreamId) -> list[int]:
    """The numbers of the stream and, of a session, of its runs."""
    row = stream_row(reading, log, selection)
    numbers = [row.number] if row is not None else []
    if selection.kind == "session":
        runs = stream_rows(reading, log, "run", limit=None, before_seq=None, session=selection.id)
        numbers += [run.number for run in reversed(runs)]
    return numbers


def _levels(queries: Queries, size: int) -> list[list[bytes]]:
    """Every node of the tree over the log's first `size` records, the leaves first."""
    level = [leaf_hash(data) for data in queries.all_data(size)]
    levels = [level]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [node_hash(left, right) for left, right in pairs]
        level = above + level[-1:] if len(level) & 1 else above  # a node without a sibling is its own parent
        levels.append(level)
    return levels


def _proofs(levels: Sequence[Sequence[bytes]], indexes: Sequence[int]) -> list[tuple[bytes, ...]]:
    """RFC 6962, 2.1.1: the sibling of each node on the way up, where it has one."""
    return [tuple(_siblings(levels, index)) for index in indexes]


def _siblings(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    found: list[bytes] = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            found.append(level[sibling])
        index >>= 1
    return found
