"""A schedule's ticks: what is to begin by itself at a moment, and what became of it."""

from __future__ import annotations

from typing import ClassVar, Literal

from lichen.core.controls.control import Control, Ruling, Stands
from lichen.core.words.ids import RunId

TickStage = Literal[
    "armed", "missed", "skipped", "queued", "begun", "completed", "clear", "failed", "cancelled", "dead"
]
"""`armed`: from `due_us` on moments count; `missed`: nobody was there; `skipped`: the one before had not ended;
`clear`: completed, and nothing was to be done; `failed`: this attempt; `dead`: no attempt follows by itself."""


class Ticked(Control, frozen=True, array_like=True, gc=False):
    """A tick of a schedule went a step on. `due_us` is the moment that it is for, which names it.

    `begun` is appended together with the start of its `run`, so neither is there without the other. Of `missed`, it is
    `count` ticks from `first_us` to `due_us`. `is_asked`: somebody wanted it beside the moments of the schedule, and
    `token` is a keyed digest of what they called it. Of `armed`, `digest` is that of the moments that count.

    Contents, of one that a program wanted: `data` (JSON), and `source`, the stranger whose words it is (retention key).
    """

    stands: ClassVar[Stands] = "alone"

    schedule: str
    due_us: int
    stage: TickStage
    attempt: int = 1
    run: RunId | None = None
    code: str = ""
    count: int = 1
    first_us: int = 0
    is_asked: bool = False
    digest: str = ""
    ruling: Ruling | None = None
    token: str = ""

    @property
    def key(self) -> str:
        return f"ticked/{self.token or self.due_us}/{self.attempt}/{self.stage}"
