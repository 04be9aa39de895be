"""Where logs end on disk, and how one commit moves that end."""

from __future__ import annotations

from typing import NamedTuple

from lichen.core.words.ids import LogId
from lichen.log.proof.tree import Frontier, chain_hash, leaf_hash
from lichen.log.records.pending import QueuedRow
from lichen.log.store.tables import Row

START = bytes(32)  # what the first record is chained to


class Tip:
    """Where a log ends on disk, and the epoch under which it is written. Owned by the writer's thread once the log is
    open."""

    __slots__ = ("chain", "epoch", "frontier", "heads", "id", "is_new", "number", "signed_size", "signed_us")

    def __init__(self, number: int, id: LogId, *, chain: bytes = START, frontier: Frontier | None = None) -> None:
        self.number, self.id, self.chain = number, id, chain
        self.is_new = frontier is None
        self.frontier = frontier or Frontier()
        self.heads = self.signed_size = self.signed_us = 0
        self.epoch = 0


class Head(NamedTuple):
    """A signed tree head on its way."""

    tip: Tip
    size: int
    ts_us: int
    text: bytes

    @property
    def row(self) -> Row:
        """What is stored. Heads are counted, so that a missing one leaves a gap."""
        return self.tip.number, self.tip.heads + 1, self.size, self.text


class Growth:
    """How far one log grows in one commit. The log's tip moves only once that is durable."""

    __slots__ = ("chain", "frontier", "rows", "tip")

    def __init__(self, tip: Tip, rows: list[QueuedRow]) -> None:
        self.tip = tip
        self.frontier = tip.frontier.copy()
        self.rows: list[Row] = []
        leaves: list[bytes] = []
        chain = tip.chain
        for pos, log, seq, stream, n, key, data in rows:
            leaf = leaf_hash(data)
            chain = chain_hash(chain, leaf)
            leaves.append(leaf)
            self.rows.append((pos, log, seq, stream, n, key, chain, data))
        self.chain = chain
        self.frontier.extend(leaves)

    def settle(self) -> None:
        """Moves the log's tip."""
        self.tip.chain, self.tip.frontier, self.tip.is_new = self.chain, self.frontier, False
