"""Deaths around each record that only these lives write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.crash.mortal import Death, Mortal
from tests.crash.nest import Nests, nests
from tests.crash.points import OF_CHANNELS, OF_MODELS, OF_TIME
from tests.crash.rounds import Passing, Playing, all_of, every, several, summed_up

LIFE: Final = "tests.crash.others.life"
RECORDS: Final = {"platform": OF_CHANNELS, "timed": OF_TIME, "asking": OF_MODELS}
"""What each kind of life is there for: it dies before and after the commit of every one of these."""
BESIDE: Final = {
    "platform": ("deliver.before", "deliver.after", "commit.after/message_received"),
    "timed": ("commit.before/run_started", "commit.after/run_finished"),
    "asking": ("ask.before", "ask.after"),
}
"""Points between those."""
SEVERAL: Final = 6  # lives of each kind that die several times, in a round


def points(kind: str) -> tuple[str, ...]:
    """Where a life of this kind dies."""
    commits = (f"commit.{when}/{record.type}" for record in RECORDS[kind] for when in ("before", "after"))
    return (*commits, *BESIDE[kind])


def mortal(lives: Nests, kind: str, *more: str) -> Mortal:
    """The story of this kind."""
    return Mortal(lives, (kind, *more))


def play(playing: Playing) -> bool:
    """Deaths of each kind at every passing of every point, and several in one story. Whether anything is wrong."""
    with nests(LIFE) as lives:
        return bool([kind for kind in RECORDS if _play(mortal(lives, kind), kind, playing)])


def _play(mortal: Mortal, kind: str, playing: Playing) -> bool:
    def die(passings: Sequence[Passing]) -> Callable[[Path], Death]:
        return lambda home: mortal.die(home, passings)

    passed = mortal.passed()
    own = {point: passed[point] for point in points(kind) if point in passed}
    if never := set(points(kind)) - set(own):
        playing.console.print(f"[red]{kind}, never passed: {', '.join(sorted(never))}")
    beside = [(Passing(point),) for point in passed if point not in own]
    plan = [*every(own), *beside, *several(passed, playing.chance, SEVERAL * playing.rounds)]
    return summed_up(all_of([die(each) for each in plan], playing, kind), kind, playing) or bool(never)
