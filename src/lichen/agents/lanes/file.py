"""A meeting in a file of SQLite's, in the data directory: for processes of one machine, beside the logs.

What stands in it is learnt again when it is lost, so nothing waits for the disk, and a file that is damaged is made
anew. No key stands in it, nor anything that one could be found by: a way's identity is keyed by a secret that lies with
the keys.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from lichen.agents.lanes.division import Other, Use
from lichen.agents.lanes.meeting import FORGOTTEN_S, LEASE_S, WAYS_MAX, Heard, Told, counts, learnt
from lichen.agents.lanes.window import Way, Window

FILE: Final = "ways.sqlite"
BUSY_MS: Final = 500  # so long another process is waited for

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS windows (
    identity TEXT, model TEXT, size REAL, cut_us INTEGER, closed_until_us INTEGER, changed_us INTEGER,
    PRIMARY KEY (identity, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uses (
    identity TEXT, model TEXT, member TEXT, in_flight INTEGER, waiting INTEGER, until_us INTEGER,
    PRIMARY KEY (identity, model, member)
) STRICT, WITHOUT ROWID;
"""
_SWEPT_US: Final = 60_000_000


class MeetingFile:
    """The file `ways.sqlite` in a folder. Implements `Meeting`.

    Whoever closes it waits for an exchange that goes on in another thread: nobody can stop that one.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._swept_us = 0
        self._using = threading.Lock()

    def exchange(self, told: Told) -> Heard:
        """Takes what a process says. Raises OSError where the file is not to be had now."""
        with self._using:
            return self._tried(told)

    def close(self) -> None:
        """Closes the file. The next exchange opens it again."""
        with self._using:
            self._let_go()

    @property
    def is_in_use(self) -> bool:
        """Whether an exchange goes on."""
        return self._using.locked()

    def _tried(self, told: Told) -> Heard:
        try:
            return self._exchanged(told)
        except sqlite3.OperationalError as error:  # busy, full, or not to be opened
            self._let_go()
            raise OSError(f"what is known of models cannot be shared: {error}") from None
        except sqlite3.DatabaseError:
            self._remake()
            raise OSError("the file that ways to models are shared in was damaged") from None

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchanged(self, told: Told) -> Heard:
        with self._transaction() as db:
            if told.now_us - self._swept_us >= _SWEPT_US or told.now_us < self._swept_us:
                _sweep(db, told.now_us)
                self._swept_us = told.now_us
            windows = {way: _learn(db, way, told) for way in dict.fromkeys((*told.learnt, *told.uses))}
            _say(db, told)
            others = {way: _others(db, way, told) for way in told.uses}
            return Heard(windows, others, _processes(db, told))

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        db = self._opened()
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def _opened(self) -> sqlite3.Connection:
        """The file that lies there now: another process may have made it anew."""
        if self._connection is None or not self._is_there():
            self._let_go()
            self._connection = self._open()
        return self._connection

    def _is_there(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _open(self) -> sqlite3.Connection:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._inode = os.fstat(descriptor).st_ino
        os.close(descriptor)
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1e3)
        for pragma in ("journal_mode = WAL", "synchronous = OFF", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(_SCHEMA)
        return connection

    def _remake(self) -> None:
        self._let_go()
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                self._path.with_name(FILE + suffix).unlink()


def closed_ways(folder: Path, now_us: int) -> dict[str, int]:
    """Until when the ways to models are closed that processes over this folder share, the longest of each model. Opens
    nothing for writing, and knows of none where the file is not to be had."""
    query = "SELECT model, max(closed_until_us) FROM windows WHERE closed_until_us > ? GROUP BY model"
    try:
        with closing(sqlite3.connect(f"{(folder / FILE).absolute().as_uri()}?mode=ro", uri=True)) as db:
            return dict(db.execute(query, (now_us,)).fetchall())
    except sqlite3.Error:
        return {}


def _learn(db: sqlite3.Connection, way: Way, told: Told) -> Window:
    row = db.execute("SELECT size, cut_us, closed_until_us FROM windows WHERE identity = ? AND model = ?", way)
    found = row.fetchone()
    known = Window() if found is None else Window(*found)
    changes = told.learnt.get(way, ())
    window = learnt(known, changes, told.now_us)
    if changes:
        values = (*way, window.size, window.cut_us, window.closed_until_us, told.now_us)
        db.execute("INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?, ?)", values)
    return window


def _say(db: sqlite3.Connection, told: Told) -> None:
    """Puts what goes on with a process in the place of what went on with it."""
    until_us = told.now_us + round(LEASE_S * 1e6)
    db.execute("DELETE FROM uses WHERE member = ?", (told.member,))
    rows = [(*way, told.member, use.in_flight, use.waiting, until_us) for way, use in told.uses.items()]
    db.executemany("INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?)", rows)


def _others(db: sqlite3.Connection, way: Way, told: Told) -> tuple[Other, ...]:
    query = "SELECT member, in_flight, waiting, until_us FROM uses WHERE identity = ? AND model = ? AND member <> ?"
    rows: list[tuple[str, int, int, int]] = db.execute(query, (*way, told.member)).fetchall()
    return tuple(
        Other(member, Use(in_flight, waiting), until_us)
        for member, in_flight, waiting, until_us in rows
        if counts(until_us, told.now_us)
    )


def _processes(db: sqlite3.Connection, told: Told) -> int:
    query = "SELECT member, max(until_us) FROM uses WHERE member <> ? GROUP BY member"
    return sum(counts(until_us, told.now_us) for _, until_us in db.execute(query, (told.member,)))


def _sweep(db: sqlite3.Connection, now_us: int) -> None:
    """Forgets who is gone, windows that are old, and the oldest of very many."""
    lease_us, forgotten_us = round(LEASE_S * 1e6), round(FORGOTTEN_S * 1e6)
    db.execute("DELETE FROM uses WHERE until_us <= ? OR until_us > ?", (now_us, now_us + lease_us))
    since_us, until_us = now_us - forgotten_us, now_us + lease_us
    db.execute("DELETE FROM windows WHERE changed_us <= ? OR changed_us > ?", (since_us, until_us))
    oldest = "SELECT identity, model FROM windows ORDER BY changed_us DESC LIMIT -1 OFFSET ?"
    db.execute(f"DELETE FROM windows WHERE (identity, model) IN ({oldest})", (WAYS_MAX,))  # noqa: S608 - our own words
