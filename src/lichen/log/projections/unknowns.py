"""Calls whose outcome nobody knows. The gate denies the same call in the same session while it is one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import State
from lichen.core.words.ids import CallId, RunId
from lichen.log.projections.projection import Folding, Projection
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Op, table

UNKNOWNS = table("unknowns", "log INTEGER, run TEXT, call TEXT", "session TEXT, tool TEXT, digest BLOB")


class Unknown(NamedTuple):
    """A call whose outcome nobody knows. `digest` is the keyed digest of its arguments."""

    run: RunId
    call: CallId
    session: str
    tool: str
    digest: bytes


class Unknowns(Folding):
    """The unknown outcomes of one log."""

    def __init__(self, log: int, reading: Reading | None) -> None:
        self._log = log
        stored = _stored(reading, log) if reading is not None else []
        self._unknown = {(each.run, each.call): each for each in stored}
        self._count = Counter(_place(each) for each in stored)

    def all(self) -> list[Unknown]:
        """Every one of them."""
        return list(self._unknown.values())

    def has(self, session: str, tool: str, digest: bytes) -> bool:
        """Whether nobody knows the outcome of a call of this tool with these arguments in this session."""
        return self._count[session, tool, digest] > 0

    def count(self, event: e.Event, before: State, after: State, /) -> Iterable[Op]:
        """The end of a call, or of the wait that asks what became of it, enters it or strikes it out."""
        match event.control:
            case e.CallFinished(call=call, outcome=outcome) if outcome == "unknown" or self._unknown:
                return self._note(call, after)
            case e.WaitClosed(wait=wait) if self._unknown and isinstance(before, RunState) and wait in before.waits:
                call = before.waits[wait].call
                return self._note(call, after) if call else ()
            case _:
                return ()

    def _note(self, call: CallId, after: State) -> Iterable[Op]:
        """Enters or strikes out the call, as its phase now says."""
        assert isinstance(after, RunState)
        key = (after.id, call)
        now = after.calls.get(call)
        if now is not None and now.phase == "unknown":
            if key in self._unknown:
                return ()
            unknown = self._unknown[key] = Unknown(*key, after.session or "", now.tool, now.digest)
            self._count[_place(unknown)] += 1
            return ((UNKNOWNS, (self._log, *key), _place(unknown)),)
        if key not in self._unknown:
            return ()
        place = _place(self._unknown.pop(key))
        self._count[place] -= 1
        if not self._count[place]:
            del self._count[place]
        return ((UNKNOWNS, (self._log, *key), None),)


def _stored(reading: Reading, log: int) -> list[Unknown]:
    names = ("run", "call", "session", "tool", "digest")
    return [Unknown(*row) for row in reading.rows(rows(UNKNOWNS, log=log).of(*names).by("run", "call"))]


def _place(unknown: Unknown) -> tuple[str, str, bytes]:
    return unknown.session, unknown.tool, unknown.digest


VIEW = Projection("unknowns", (UNKNOWNS,), Unknowns, controls=frozenset({e.CallFinished, e.WaitClosed}))
