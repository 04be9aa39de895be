"""The files of sealed secrets that lie with the keys: whose they are, and their way into a backup and out of it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lichen.log.disk.files import sync_directory, write_new_file

FOLDER = "secrets"  # in the directory of the keys
SUFFIX = ".secrets"


def copy_secrets(keys: Path, target: Path, *, logs: Collection[str] | None = None) -> None:
    """Copies the files of one directory of keys to another, durable, mode 0600; with `logs`, those of these logs'
    environments. Raises OSError."""
    files = [path for path in sorted((keys / FOLDER).glob(f"*{SUFFIX}")) if logs is None or _log_of(path) in logs]
    if not files:
        return
    (target / FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in files:
        write_new_file(target / FOLDER / path.name, path.read_bytes())
    sync_directory(target)


def _log_of(path: Path) -> str:
    """An environment's secrets go with its first log, as its API keys do."""
    tenant, _, env = path.name.removesuffix(SUFFIX).partition(".")
    return f"{tenant}/{env}/0"
