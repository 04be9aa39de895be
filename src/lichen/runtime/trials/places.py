"""Where results lie: a folder for each environment of a tenant, a file for each, and how much of them is kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Scope

FOLDER: Final = "evals"
SUITE_KEPT: Final = 50  # results of one suite, the newest
SCOPE_KEPT: Final = 1_000
SCOPE_BYTES_KEPT: Final = 128 * 1024 * 1024
FILE_BYTES_MAX: Final = 8 * 1024 * 1024  # trials after that are kept without their words
WHOLE_BYTES_MAX: Final = 4 * FILE_BYTES_MAX  # trials after that only count
TEXT_CHARS_MAX: Final = 4_000

_ID = re.compile(r"eval-[0-9a-f]{8,64}")


def folder(home: Path, scope: Scope) -> Path:
    """Where the results of a scope lie."""
    return home / FOLDER / scope.tenant / scope.env


def file_of(home: Path, scope: Scope, id: str) -> Path:
    """The file of a result, which need not be there. Raises NotFound (`eval_unknown`) for what is no id."""
    if not _ID.fullmatch(id):
        raise unknown(id)
    return folder(home, scope) / f"{id}.jsonl"


def unknown(id: str) -> NotFound:
    """The error for a result that is not kept."""
    step = "See which are kept: `lichen eval results`."
    return NotFound("No such result is kept.", code="eval_unknown", place=id[:80], next_step=step)
