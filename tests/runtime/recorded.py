"""Records of a run as a log would hold them, without a log."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.words.ids import LogId, StreamId
from lichen.log.records.record import Record

RUN = StreamId("run", "run-1")


def record(at_us: int, control: e.Control, *, seq: int = 1, n: int = 0) -> Record:
    return Record(
        v=1,
        log=LogId("acme/dev/0"),
        seq=seq,
        ts_us=at_us,
        stream=RUN,
        n=n,
        key=control.key,
        type=control.type,
        type_v=1,
        cause=0,
        actor="",
        turn=None,
        control=control,
    )
