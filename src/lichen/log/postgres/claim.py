"""Who may write to a store in Postgres: one process, for some seconds at a time, under an epoch that no other has."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg

from lichen.core.words.errors import Unavailable
from lichen.log.disk.process import has_ended, this_process
from lichen.log.postgres.schema import Connection

LEASE_S: Final = 3.0
RENEW_S: Final = 1.0
WAIT_S: Final = 1  # for commits that are under way
UNSURE_MAX: Final = 64
_SLOW: Final = 0.9  # of a lease: our clock may be slower than the database's

_LOOK = "SELECT holder, greatest(extract(epoch FROM until - clock_timestamp()), 0)::float8 FROM claim"
_BEFORE = "SELECT unsure || process FROM claim"
_TAKE = """
UPDATE claim SET epoch = epoch + 1, until = clock_timestamp() + make_interval(secs => %s),
    holder = %s, process = %s, unsure = %s
WHERE until <= clock_timestamp() RETURNING epoch
"""
_LEAVE = "UPDATE claim SET until = clock_timestamp(), process = '' WHERE epoch = %s"
_RENEW = "UPDATE claim SET until = clock_timestamp() + make_interval(secs => %s) WHERE epoch = %s RETURNING epoch"
_END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = %s AND datname = current_database() AND usename = current_user
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), 0))"

Connect = Callable[[str], Connection]


class PostgresClaim:
    """Held from construction until `close`, and renewed by a thread of its own, whatever else the process does.

    Raises Unavailable (`store_in_use`) with who holds it, psycopg.Error.
    """

    def __init__(self, connect: Connect, holder: str, lost: Callable[[], None]) -> None:
        self._connect, self._lost = connect, lost
        self.name = _name(holder)
        self._connection = connect(self.name)
        try:
            self.epoch = self._taken(holder)
        except BaseException:
            self._connection.close()
            raise
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lichen-claim", daemon=True)
        self._thread.start()

    def stands(self) -> bool:
        """Whether nobody else can have taken it yet."""
        return _now() < self._until

    def is_first(self) -> bool:
        """Whether every process that had it before let go of it, or was one of this machine and has ended."""
        return not self._unsure

    def close(self) -> None:
        """Lets the next one in at once."""
        self._is_over.set()
        self._thread.join()
        self._until = 0.0
        with suppress(psycopg.Error):
            self._connection.execute(_LEAVE, [self.epoch])
        self._connection.close()

    def _taken(self, holder: str) -> int:
        """The epoch under which it is held now: those who held it before may commit nothing more."""
        self._look()
        try:
            return self._take(holder)
        except psycopg.errors.LockNotAvailable:
            self._connection.execute(_END, [_name(self._look())])  # a commit that it left lying keeps us waiting
            return self._take(holder)

    def _look(self) -> str:
        """Who held it last. Raises Unavailable (`store_in_use`) while somebody does."""
        before, left_s = self._connection.execute(_LOOK).fetchone() or ("", 0.0)
        if left_s > 0:
            raise in_use(before, left_s)
        return str(before)

    def _take(self, holder: str) -> int:
        connection = self._connection
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{WAIT_S}s'".encode())
            connection.execute(_LOCK)
            self._until = _now() + LEASE_S * _SLOW
            (before,) = connection.execute(_BEFORE).fetchone() or ([],)
            self._unsure = [each for each in before if each and not has_ended(each)][-UNSURE_MAX:]
            found = connection.execute(_TAKE, [LEASE_S, holder, this_process(), self._unsure]).fetchone()
        if found is None:
            self._look()
            raise in_use("another process", 0.0)
        return int(found[0])

    def _renew(self) -> None:
        while not self._is_over.wait(RENEW_S):
            until = _now() + LEASE_S * _SLOW
            try:
                if self._connection.closed:
                    self._connection = self._connect(self.name)
                found = self._connection.execute(_RENEW, [LEASE_S, self.epoch]).fetchone()
            except psycopg.Error:
                self._connection.close()
                continue
            if found is None:
                self._until = 0.0
                self._lost()
                return
            self._until = until


def in_use(holder: str, left_s: float) -> Unavailable:
    """The error for a store that another process holds."""
    return Unavailable(
        f"The store is in use by {holder}, for {left_s:.1f} s more unless it goes on.",
        code="store_in_use",
        next_step="Stop that process, or name another schema under [store] in lichen.toml.",
    )


def _name(holder: str) -> str:
    """What a holder's connections are called in the database."""
    return f"lichen {holder}"[:63]


def _now() -> float:
    """Seconds, also those in which the machine slept, where it can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
