"""The least a figure could be on this machine in this minute, measured: what is left without a line of ours."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figure import ROOT

ROW_BYTES = 500
COMMITS = 100


def commit_s(rows: int) -> float:
    """The seconds a bare SQLite takes to make so many rows of a record's size durable in one commit."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        connection = sqlite3.connect(Path(folder) / "floor.sqlite", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE records (pos INTEGER PRIMARY KEY, data BLOB)")
        times: list[float] = []
        for _ in range(COMMITS):
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO records (data) VALUES (?)", [(b"x" * ROW_BYTES,)] * rows)
            connection.execute("COMMIT")
            times.append(time.perf_counter() - began)
        connection.close()
    return statistics.median(times)


def libraries(code: str) -> list[str]:
    """The modules of others that this code loads, in the order in which it does."""
    tell = "; import sys; print(*(m for m in sys.modules if m.partition('.')[0] not in {'lichen', '__main__'}))"
    done = subprocess.run([sys.executable, "-c", code + tell], capture_output=True, text=True, check=True, cwd=ROOT)
    bare = subprocess.run([sys.executable, "-c", "pass" + tell], capture_output=True, text=True, check=True, cwd=ROOT)
    known = set(bare.stdout.splitlines()[-1].split())
    return [name for name in done.stdout.splitlines()[-1].split() if name not in known]
