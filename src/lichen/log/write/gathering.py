"""Gathering: what the loop appends in a few turns goes to the writer together, one entry for each log.

In the midst of a turn the two threads would only take the interpreter from each other, for commits of a few records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Protocol

from lichen.core.deciders.events import Draft
from lichen.log.write.commits import Bounds
from lichen.log.write.entry import Entry, Owner
from lichen.log.write.tips import Tip

TURNS_MAX = 32  # of the loop that a record waits for others
ROWS_MAX = 512  # so many are enough for a commit of their own


class Put(Protocol):
    """How the writer gets entries."""

    def __call__(self, entries: list[Entry], /, *, is_first: bool = False) -> None:
        """Queues them, before all that wait if nothing else of their logs does."""
        ...


class Gathering:
    """The open entries of a volume. They are handed over when a turn of the loop added nothing to them: what hangs
    together has come."""

    def __init__(self, put: Put, bounds: Bounds) -> None:
        self._put, self._bounds = put, bounds
        self._loop = asyncio.get_running_loop()
        self._open: dict[Owner, Entry] = {}
        self._rows = self._grown = self._seen = self._turns = 0
        self._is_due = False

    def make_room(self, owner: Owner, moves: Collection[Sequence[Draft]]) -> None:
        """Hands over what would grow beyond a commit with these drafts. A larger append goes alone."""
        entry = self._open.get(owner)
        if entry is None or not entry.pending:
            return
        drafts, data_bytes = 0, entry.data_bytes
        for each in moves:
            drafts += len(each)
            for draft in each:
                for content in draft.contents:
                    data_bytes += len(content.data)
        is_full = len(entry.pending) + drafts > self._bounds.rows or data_bytes > self._bounds.data_bytes
        if is_full or self._rows + drafts > ROWS_MAX:
            self.hand_over()

    def entry(self, owner: Owner, tip: Tip, *, rows: int, data_bytes: int) -> Entry:
        """The open entry of a log, which grows by so much now."""
        entry = self._open.get(owner)
        if entry is None:
            entry = self._open[owner] = Entry(owner, tip)
            self._begin()
        self._rows += rows
        self._grown += 1
        entry.data_bytes += data_bytes
        return entry

    def hand_over(self) -> None:
        """Gives the writer what is here now."""
        if self._open:
            entries = list(self._open.values())
            self.discard()
            for entry in entries:
                entry.close()
            self._put(entries)

    def hurry(self, owner: Owner, rows: int) -> None:
        """Gives the writer what a log has here, before all others if these are its only `rows` on their way."""
        entry = self._open.get(owner)
        if entry is None:
            return
        if len(entry.pending) < rows:
            self.hand_over()
            return
        del self._open[owner]
        self._rows -= rows
        entry.close()
        self._put([entry], is_first=True)

    def discard(self) -> None:
        """Throws away what is here: it builds on something that did not become durable."""
        self._open.clear()
        self._rows = 0

    def _begin(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._turns, self._seen = 0, -1
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """A turn of the loop is over."""
        self._turns += 1
        has_grown, self._seen = self._grown != self._seen, self._grown
        if self._open and has_grown and self._turns < TURNS_MAX:
            self._loop.call_soon(self._turn)
            return
        self._is_due = False
        self.hand_over()
