"""SQLite files on media that nobody can write."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path


def is_writable(path: Path) -> bool:
    """Whether a database here can be opened as databases usually are, which writes files beside it."""
    is_effective = os.access in os.supports_effective_ids
    return all(os.access(each, os.W_OK, effective_ids=is_effective) for each in (path, path.parent))


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection to a file on media that nobody can write. Raises sqlite3.Error.

    A file that was closed in order stands for itself; one whose process died has a WAL beside it, which needs the
    memory file that goes with it.
    """
    wal = path.with_name(f"{path.name}-wal")
    how = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA query_only = ON").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
