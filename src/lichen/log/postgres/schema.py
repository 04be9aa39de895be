"""The schema of a volume in a database: how it is reached, its format stamp, and what stands in it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql

from lichen.core.words.errors import Corrupt, Invalid, Unavailable
from lichen.log.postgres.statements import create
from lichen.log.store.tables import Table

Connection = psycopg.Connection[tuple[Any, ...]]

FORMAT: Final = 1
LATER: Final = "LL001"  # the state of the errors that `held` raises
CONNECT_S: Final = 5
LEFT_S: Final = 2

_STAMP = b"CREATE TABLE format (version integer NOT NULL)"
_BLOBS = b"CREATE TABLE blobs (digest bytea PRIMARY KEY, data bytea NOT NULL)"
_CLAIM = b"""
CREATE TABLE claim (
    epoch bigint NOT NULL, until timestamptz NOT NULL, holder text NOT NULL,
    process text NOT NULL, -- the holder's, empty once it let go
    unsure text[] NOT NULL -- those before it of which nobody knows whether they ended
);
INSERT INTO claim VALUES (0, '-infinity', '', '', '{}');
"""
_HELD = b"""
CREATE FUNCTION held(logs bigint[], epochs bigint[], changes boolean, mine bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF changes THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(current_schema(), 0));
    ELSE
        PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_schema(), 0));
    END IF;
    IF mine IS NOT NULL AND mine <> (SELECT epoch FROM claim) THEN
        RAISE EXCEPTION 'another process has the store' USING ERRCODE = 'LL001';
    END IF;
    IF EXISTS (
        SELECT 1 FROM leases JOIN unnest(logs, epochs) AS mine(log, epoch) USING (log) WHERE leases.epoch > mine.epoch
    ) THEN
        RAISE EXCEPTION 'another process holds a log' USING ERRCODE = 'LL001';
    END IF;
END $$
"""
"""A commit that changes leases, and whoever takes the store, waits for commits under way, and those that come wait for
it: so none is made under a right that is gone by then."""


def connected(url: str, schema: str, name: str = "lichen") -> Connection:
    """A connection in autocommit mode, every commit durable when it returns. A transaction that its process leaves
    lying is ended by the database. Raises psycopg.Error."""
    connection = psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_S,
        application_name=name,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=10_000,  # milliseconds
    )
    try:
        connection.prepare_threshold = 2
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"SET idle_in_transaction_session_timeout = '{LEFT_S}s'".encode())
        if connection.execute("SHOW synchronous_commit").fetchone() in (("off",), ("local",)):
            connection.execute(
                "SET synchronous_commit = on"
            )  # what is acknowledged is durable, whatever is usual there
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: Connection, schema: str, tables: Sequence[Table]) -> tuple[Table, ...]:
    """Makes a schema that is not there, with these tables, and refuses one of another format. Returns the tables that
    it lacks. Raises Invalid (`format_unknown`), Corrupt, psycopg.Error."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [schema])
        if connection.execute("SELECT to_regnamespace(quote_ident(%s)) IS NULL", [schema]).fetchone() == (True,):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        there = _there(connection)
        if not there:
            _make(connection, tables)
            return ()
        if "format" not in there:
            message = f"The schema {schema} has tables, and none of them says which format they are."
            raise Invalid(message, code="format_unknown", next_step="Name a schema that is empty, or Lichen's own.")
    version = connection.execute("SELECT version FROM format").fetchone()
    if version != (FORMAT,):
        raise Invalid(
            f"The store has format {version and version[0]}, and this version of Lichen knows only format {FORMAT}.",
            code="format_unknown",
            next_step="Open it with the version of Lichen that wrote it.",
        )
    return tuple(table for table in tables if table.name not in there)


def _there(connection: Connection) -> set[str]:
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    return {name for (name,) in connection.execute(query)}


def _make(connection: Connection, tables: Sequence[Table]) -> None:
    for statement in (_STAMP, _BLOBS, _CLAIM, _HELD, *create(tables)):
        connection.execute(statement)
    connection.execute("INSERT INTO format VALUES (%s)", [FORMAT])


@contextmanager
def storage_errors() -> Generator[None]:
    """What a failure to read means to the caller."""
    try:
        yield
    except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted, psycopg.errors.UndefinedTable) as error:
        raise Corrupt("The volume's database is damaged.") from error
    except psycopg.Error as error:
        raise Unavailable(
            "The volume's database cannot be reached or read now.",
            code="volume_unreadable",
            next_step="Run `lichen doctor`, then try again.",
        ) from error
