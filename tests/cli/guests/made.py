"""Components begun and built for tests: each language once for all tests of a process."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from lichen.cli.guests.beginning import begun
from lichen.cli.guests.building import build

NAME = "acme.tally"


@cache
def _built(language: str) -> Path:
    folder = Path(mkdtemp(prefix="lichen-made-")) / language
    begun(folder, language, NAME)
    build(folder, environ=os.environ)
    return folder


def built(language: str, where: Path) -> Path:
    """A folder of its own with a component that is built."""
    shutil.copytree(_built(language), where, dirs_exist_ok=True)
    return where
