"""Deaths of agents that are written elsewhere: the points their conversation passes, and what became of one death."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from lichen.core.deciders import events as e
from lichen.log.records import record
from lichen.log.sqlite.file import FILE_NAME
from tests.crash.harness import LIFE_S, ROOT
from tests.crash.own import KINDS, asked_of_model

RECORDS = (
    "log_opened", "mailbox_opened", "message_received", "turn_opened", "run_started", "plan_started", "planned",
    "decided", "wait_opened", "wait_closed", "call_started", "call_finished", "run_finished", "message_queued",
    "turn_closed", "accessed",
)  # fmt: skip
POINTS = (
    *(f"commit.{when}/{record}" for record in RECORDS for when in ("before", "after")),
    *(f"effect.{when}/shop.{tool}" for tool in ("look", "pay") for when in ("before", "after")),
    "keys.commit.before", "keys.commit.after", "plan.after", "check.after",
)  # fmt: skip
PIVOTS = (
    ("plan.after", 1), ("plan.after", 2), ("plan.after", 3), ("commit.after/planned", 1), ("commit.after/planned", 2),
    ("commit.before/wait_closed", 1), ("commit.after/call_started", 1), ("effect.before/shop.pay", 1),
    ("effect.after/shop.pay", 1),
)  # fmt: skip
"""Between a reply of the model and what follows from it, and around the payment."""


class Death(NamedTuple):
    """What became of one death: whether it came, and what is wrong after it."""

    kind: str
    point: str
    nth: int
    was_hit: bool
    trouble: str


def deaths() -> list[tuple[str, str, int]]:
    """Every point in the agent that is a function, and the pivots in each framework's."""
    pivots = [(kind, point, nth) for kind in KINDS[1:] for point, nth in PIVOTS]
    return [*((KINDS[0], point, 1) for point in POINTS), *pivots]


def life(home: Path, kind: str, *more: str) -> subprocess.CompletedProcess[str]:
    """One life in a process of its own."""
    command = [sys.executable, "-m", "tests.crash.own", str(home), kind, *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIFE_S, check=False)


def recorded(home: Path) -> int:
    """How many requests to the model the file that a death left holds the replies of."""
    if not (home / FILE_NAME).exists():
        return 0
    with closing(sqlite3.connect(home / FILE_NAME)) as volume:
        rows = [fact for (data,) in volume.execute("select record from records") for fact in record.decode(data)]
    return sum(len(row.control.requests) for row in rows if isinstance(row.control, e.Planned))


def death(home: Path, kind: str, point: str, nth: int) -> Death:
    """Dies at the nth passing of the point, then lives to the end, which judges."""
    died = life(home, kind, "--point", point, "--nth", str(nth))
    was_hit = died.returncode == -signal.SIGKILL
    if not was_hit:
        return Death(kind, point, nth, False, died.stderr[-2000:])
    after = life(home, kind, "--lost", str(asked_of_model(home) - recorded(home)))
    return Death(kind, point, nth, True, after.stderr[-2000:] if after.returncode else "")
