"""What is left of a commit when nothing of it is ours: contents sealed, records hashed and committed by bare SQLite
with as many indexes, and Python calls that do nothing. No line of Lichen. Prints JSON.

The WAL has its size before anything is measured, as that of a process that has run for a minute: a file that still
grows makes each fdatasync half as long again.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT = Path(__file__).resolve().parents[2]
ROW_BYTES, CONTENT_BYTES = 900, 120  # of a stored record and of a content, as those of a measured turn
COMMITS, CALLS, SEALS = 200, 20_000, 2_000
WAL_PAGES = 2_000
SCHEMA = """
CREATE TABLE records (
    pos INTEGER PRIMARY KEY, log INTEGER, seq INTEGER, stream INTEGER, n INTEGER, key TEXT, chain BLOB, record BLOB
) STRICT;
CREATE UNIQUE INDEX by_seq ON records (log, seq);
CREATE UNIQUE INDEX by_n ON records (stream, n);
CREATE UNIQUE INDEX by_key ON records (stream, key);
CREATE TABLE filling (data BLOB) STRICT;
"""


class Nothing:
    """What is called for nothing, with as much as a call usually has to do with."""

    def __init__(self) -> None:
        self.kept = 1

    def call(self, one: int, other: int) -> int:
        return self.kept


def call_s() -> float:
    """The seconds of a Python call that does nothing."""
    nothing = Nothing()

    def calls() -> None:
        for i in range(CALLS):
            nothing.call(i, 1)

    return _median_s(calls, 20) / CALLS


def seal_s() -> float:
    """The seconds it takes to seal a content."""
    key, data = AESGCM(AESGCM.generate_key(256)), b"x" * CONTENT_BYTES

    def seals() -> None:
        for i in range(SEALS):
            key.encrypt(i.to_bytes(12, "big"), data, b"where it belongs")

    return _median_s(seals, 20) / SEALS


def commit_s(rows: int) -> float:
    """The seconds it takes to chain so many records and make them durable in one commit."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        connection = sqlite3.connect(Path(folder) / "floor.sqlite", isolation_level=None)
        for pragma in ("page_size=2048", "journal_mode=WAL", "synchronous=FULL", f"wal_autocheckpoint={WAL_PAGES}"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO filling VALUES (?)", (os.urandom(WAL_PAGES * 2048),))
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        chain, count = bytes(32), 0

        def commit() -> None:
            nonlocal chain, count
            connection.execute("BEGIN IMMEDIATE")
            made: list[tuple[object, ...]] = []
            for _ in range(rows):
                count += 1
                data = count.to_bytes(8, "big") + b"x" * (ROW_BYTES - 8)
                chain = sha256(chain + sha256(data).digest()).digest()
                made.append((count, 1, count, count // 8, count % 8, f"planned/{count}/1", chain, data))
            connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", made)
            connection.execute("COMMIT")

        seconds = _median_s(commit, COMMITS)
        connection.close()
    return seconds


def _median_s(work: Callable[[], None], times: int) -> float:
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    print(json.dumps({"commit_s": commit_s(int(sys.argv[1])), "seal_s": seal_s(), "call_s": call_s()}))
