"""A volume copied from one store to another, row by row and blob by blob, so that every proof is what it was."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from lichen.core.words.errors import Conflict, NotFound, Unavailable
from lichen.log.disk.blobs import Blobs
from lichen.log.projections.every import TABLES
from lichen.log.sqlite.file import FILE_NAME
from lichen.log.sqlite.store import BLOBS, SqliteStore
from lichen.log.store.port import Batch, Elsewhere, Reading, Store
from lichen.log.store.selection import rows
from lichen.log.store.tables import HEADS, RECORDS, Op, Row, Table

ROWS_TOGETHER: Final = 500
Progress = Callable[[int], None]


class Source(Protocol):
    """Where a volume is copied from."""

    def snapshot(self) -> Reading:
        """A reader that goes on seeing what is committed now."""
        ...

    def each_blob(self) -> Iterator[bytes]:
        """The large contents, one after another."""
        ...


class FromFiles:
    """The volume of a data directory to which nobody writes meanwhile."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def snapshot(self) -> Reading:
        """A reader of its file. Raises NotFound (`volume_missing`)."""
        if not (self._home / FILE_NAME).exists():
            raise NotFound(f"There are no logs in {self._home}.", code="volume_missing")
        return SqliteStore(self._home).read()

    def each_blob(self) -> Iterator[bytes]:
        """The large contents."""
        return Blobs(self._home / BLOBS).each()


def copy(source: Source, target: Store, progress: Progress = lambda records: None) -> int:
    """Copies what `source` holds at this moment to a store that is new, and says how many records that is. `progress`
    is told now and then how many were copied. Raises Conflict (`store_not_empty`), Corrupt, Unavailable."""
    if target.prepare(TABLES):
        raise _not_empty()
    with closing(target.read()) as there:
        if there.rows(rows(RECORDS).of("pos").first(1)):
            raise _not_empty()
    count = 0
    with closing(source.snapshot()) as reading, closing(target.write()) as writing:
        for data in source.each_blob():  # each was durable before the first record that names it
            target.blobs.put(data)
        for some in _together(reading, RECORDS):
            writing.put(Batch(some))
            count += len(some)
            progress(count)
        for some in _together(reading, HEADS):
            writing.put(Batch(heads=some))
        for table in TABLES:
            if table not in (RECORDS, HEADS):
                for some in _together(reading, table):
                    writing.put(Batch(ops=[_op(table, row) for row in some]))
    return count


@contextmanager
def files_of(home: Path, store: Store) -> Generator[Path]:
    """A directory that holds the volume as files: its own, or a copy that is gone afterwards where they lie elsewhere.

    Raises as `copy`.
    """
    if not isinstance(store, Elsewhere):
        yield home
        return
    folder = Path(tempfile.mkdtemp(prefix="copy-", dir=home))
    try:
        copy(store, SqliteStore(folder))
        yield folder
    except OSError as error:
        step = "Make room in the data directory: the logs are copied there to be looked at."
        raise Unavailable("The logs cannot be copied.", code="copy_failed", next_step=step) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _together(reading: Reading, table: Table) -> Iterator[list[Row]]:
    """The rows of a table in the order of their keys, some at a time."""
    order = tuple(column.name for column in table.columns[: table.key])
    found = reading.each(rows(table).by(*order))
    while some := list(islice(found, ROWS_TOGETHER)):
        yield some


def _op(table: Table, row: Row) -> Op:
    return table, row[: table.key], row[table.key :]


def _not_empty() -> Conflict:
    step = "Name another schema or directory, or remove what is there if nobody needs it."
    return Conflict("There are logs already where these would go.", code="store_not_empty", next_step=step)
