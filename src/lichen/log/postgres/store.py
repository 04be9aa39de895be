"""A store in one schema of a Postgres: a commit is one transaction and one way there and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

import psycopg
from psycopg import sql

from lichen.log.postgres.blobs import PostgresBlobs
from lichen.log.postgres.claim import PostgresClaim
from lichen.log.postgres.schema import LATER, Connection, connected, prepare, storage_errors
from lichen.log.postgres.statements import Statement, apply, create, insert, select, totals
from lichen.log.postgres.texts import given
from lichen.log.store.port import Batch, LeaseLost
from lichen.log.store.selection import Rows
from lichen.log.store.tables import HEADS, LEASES, RECORDS, Op, Row, Table

T = TypeVar("T")

_EACH = 1_000  # rows that are fetched at once of many
_HELD = b"SELECT held(%b, %b, %b, %b)"


class PostgresStore:
    """The store in a schema of the database at `url` (`postgresql://…`, as libpq reads it)."""

    def __init__(self, url: str, *, schema: str = "lichen") -> None:
        self._url, self._schema = url, schema
        self._claim: PostgresClaim | None = None
        self.blobs = PostgresBlobs(self._connect)

    def _connect(self, name: str = "lichen") -> Connection:
        return connected(self._url, self._schema, name)

    def claim(self, holder: str, lost: Callable[[], None], /) -> PostgresClaim:
        """The sole right to write here, which is told from others by an epoch and renewed until it is closed."""
        with storage_errors():
            self._claim = PostgresClaim(self._connect, holder, lost)
        return self._claim

    def prepare(self, tables: Sequence[Table], /) -> tuple[Table, ...]:
        """Makes the schema when it is missing, and checks its format."""
        with self._once() as connection:
            return prepare(connection, self._schema, tables)

    def remake(self, tables: Sequence[Table], ops: Iterable[Op], /) -> None:
        """Makes lacking tables with the rows that these changes leave."""
        made = list(apply(ops))
        with self._once() as connection, connection.transaction():
            for statement in create(tables):
                connection.execute(statement)
            for statement, values in made:
                connection.execute(statement, values)

    @contextmanager
    def _once(self) -> Generator[Connection]:
        with storage_errors():
            connection = self._connect()
            try:
                yield connection
            finally:
                connection.close()

    def put_away(self) -> str:
        """Gives the schema another name, which is returned, so that nobody takes what is in it for the logs."""
        aside = f"{self._schema[:40]}_moved_{int(time.time())}"  # noqa: TID251 - a name that nobody has
        names = [sql.Identifier(each) for each in (self._schema, aside)]
        with self._once() as connection:
            connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(*names))
        return aside

    def read(self) -> PostgresReading:
        """One more connection, which only reads. It is made again when it breaks."""
        return PostgresReading(self._connect)

    def snapshot(self) -> PostgresSnapshot:
        """One more connection, which goes on seeing what is committed now."""
        return PostgresSnapshot(self._connect)

    def each_blob(self) -> Iterator[bytes]:
        """The large contents, one after another."""
        return self.blobs.each()

    def write(self) -> PostgresWriting:
        """The connection that writes. Raises psycopg.Error."""
        claim = self._claim
        return PostgresWriting(self._connect() if claim is None else self._connect(claim.name), claim)


class PostgresReading:
    """Reads what is committed. For one thread at a time."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        with storage_errors():
            self._connection = connect()

    def rows(self, which: Rows, /) -> list[Row]:
        """All these rows."""
        return self._read(lambda connection: [*map(given, _found(connection, select(which)))])

    def each(self, which: Rows, /) -> Iterator[Row]:
        """These rows one after another, as they were when the first was read."""
        statement, values = select(which)
        with (
            storage_errors(),
            self._connect() as connection,
            connection.transaction(),
            connection.cursor("each") as cursor,
        ):
            cursor.itersize = _EACH
            yield from map(given, cursor.execute(statement, values, binary=True))

    def totals(self, which: Rows, by: str, of: str | None = None, /) -> dict[str, int]:
        """Sums or counts by the values of a column."""
        return self._read(lambda connection: dict(_found(connection, totals(which, by, of))))

    def _read(self, work: Callable[[Connection], T]) -> T:
        with storage_errors():
            try:
                return work(self._connection)
            except psycopg.OperationalError:
                if not self._connection.broken:
                    raise
            self._connection = self._connect()  # the database was away, or whatever stands before it
            return work(self._connection)

    def close(self) -> None:
        """Lets go of the connection."""
        self._connection.close()


class PostgresSnapshot(PostgresReading):
    """Reads what was committed when it was made. For one thread at a time."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        super().__init__(connect)
        with storage_errors():
            self._connection.execute("SET idle_in_transaction_session_timeout = 0")
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._connection.execute("SELECT 1")  # the moment is that of the first statement

    def each(self, which: Rows, /) -> Iterator[Row]:
        """These rows one after another."""
        statement, values = select(which)
        with storage_errors(), self._connection.cursor(f"each {which.table.name}") as cursor:
            cursor.itersize = _EACH
            yield from map(given, cursor.execute(statement, values, binary=True))


class PostgresWriting:
    """The connection that writes. For one thread at a time."""

    def __init__(self, connection: Connection, claim: PostgresClaim | None = None) -> None:
        self._connection, self._epoch = connection, None if claim is None else claim.epoch

    def put(self, batch: Batch, /) -> None:
        """One transaction, sent at once. Where the connection breaks in the midst of it nobody knows whether it was
        made: whoever opens the store again reads what is there."""
        ops = list(batch.ops)
        self._send(
            batch.held,
            (*insert(RECORDS, batch.records), *apply(ops), *insert(HEADS, batch.heads)),
            changes=any(table is LEASES for table, _, _ in ops),
        )

    def probe(self) -> None:
        """Writes a row although nothing changes. Raises LeaseLost where that is not ours to do any more."""
        self._send({}, ((b"UPDATE format SET version = version", []),), changes=False)

    def _send(self, held: Mapping[int, int], statements: Iterable[Statement], *, changes: bool) -> None:
        connection = self._connection
        try:
            with connection.pipeline(), connection.transaction():
                connection.execute(_HELD, [[*held], [*held.values()], changes, self._epoch])
                for statement, values in statements:
                    connection.execute(statement, values)
        except psycopg.Error as error:
            if error.sqlstate == LATER:
                raise LeaseLost from error
            raise

    def close(self) -> None:
        """Lets go of the connection."""
        with suppress(psycopg.Error):
            self._connection.close()


def _found(connection: Connection, query: Statement) -> list[Row]:
    statement, values = query
    return connection.execute(statement, values, binary=True).fetchall()
