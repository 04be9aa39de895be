"""The streams of a log: whose each is, how it stands, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lichen.core.words.ids import StreamId, StreamKind
from lichen.log.projections.projection import Grown, growing
from lichen.log.projections.streamrow import StreamRow
from lichen.log.store.port import Reading
from lichen.log.store.selection import Rows, rows
from lichen.log.store.tables import Index, Op, Part, table

_OWING = Index("streams_owing", ("log",), part=Part("standing", "=", "owing"))
STREAMS = table(
    "streams",
    "stream INTEGER",
    "log INTEGER, kind TEXT, id TEXT, standing TEXT, agent TEXT, session TEXT?, turn TEXT?, parent TEXT?, "
    "subject TEXT, first_seq INTEGER, started_us INTEGER, outcome TEXT",
    Index("streams_by_id", ("log", "kind", "id"), is_unique=True),
    Index("streams_by_kind", ("log", "kind")),
    _OWING,
)
_FILTERS = {"agent", "session", "outcome", "standing"}


def _fold(grown: Grown) -> Iterable[Op]:
    if grown.now is grown.row and grown.records[0].n:
        return ()
    return ((STREAMS, grown.now[:1], grown.now[1:]),)


VIEW = growing("streams", (STREAMS,), _fold, kinds=("run", "session", "agent", "tenant"))


def stream_row(reading: Reading, log: int, stream: StreamId) -> StreamRow | None:
    """The row of a stream; None when it has no record."""
    found = reading.rows(rows(STREAMS, log=log, kind=stream.kind, id=stream.id))
    return StreamRow(*found[0]) if found else None


def stream_rows(
    reading: Reading, log: int, kind: StreamKind, *, limit: int | None, before_seq: int | None, **equal: str | None
) -> list[StreamRow]:
    """Streams of a kind, the newest first; with `before_seq` those that began before it: the next page.

    `equal` names columns (`agent`, `session`, `outcome`, `standing`) and what they must hold, None for anything.
    """
    wanted = {name: value for name, value in equal.items() if value is not None}
    assert wanted.keys() <= _FILTERS
    which = rows(STREAMS, log=log, kind=kind, **wanted).backwards("stream").first(limit)
    if before_seq is not None:
        which = which.bound("first_seq", "<", before_seq)
    return [StreamRow(*row) for row in reading.rows(which)]


def rows_of(reading: Reading, numbers: Sequence[int]) -> dict[int, StreamRow]:
    """The rows of the streams with these numbers."""
    found = reading.rows(rows(STREAMS).among("stream", dict.fromkeys(numbers))) if numbers else []
    return {row[0]: StreamRow(*row) for row in found}


def sessions_named(reading: Reading, log: int, ids: Iterable[str]) -> list[StreamRow]:
    """The rows of the sessions with these ids."""
    wanted = tuple(dict.fromkeys(ids))
    found = reading.rows(rows(STREAMS, log=log, kind="session").among("id", wanted)) if wanted else []
    return [StreamRow(*row) for row in found]


def owing(reading: Reading, log: int) -> list[StreamRow]:
    """Streams that somebody must drive, the oldest first."""
    return [StreamRow(*row) for row in reading.rows(rows(STREAMS, log=log).within(_OWING).by("stream"))]


def numbered(reading: Reading, numbers: Sequence[int]) -> dict[int, StreamId]:
    """The streams with these numbers."""
    which: Rows = rows(STREAMS).among("stream", dict.fromkeys(numbers)).of("stream", "kind", "id")
    return {number: StreamId(kind, id) for number, kind, id in reading.rows(which)} if numbers else {}
