"""Where golden volumes lie, and how to get a copy of one that can be opened."""

from __future__ import annotations

import shutil
from pathlib import Path

GOLDEN = Path(__file__).parent
FILES = ("logs/lichen.sqlite", "keys/master.key", "keys/keys.sqlite", "keys/erasures.jsonl")
SUFFIX = ".golden"  # the names proper are those of what running leaves behind, which git ignores


def copy(version: str, target: Path) -> None:
    """The volume and its keys in `target`/logs and `target`/keys."""
    source = GOLDEN / version
    for name in FILES:
        path = target / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(source / f"{name}{SUFFIX}", path)
        path.chmod(0o600)
    shutil.copytree(source / "logs" / "blobs", target / "logs" / "blobs")
