"""Deaths around each record by which a stranger's tools are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.crash.judged.life import WANTED
from tests.crash.mortal import Death, Mortal
from tests.crash.nest import nests
from tests.crash.points import OF_SERVERS
from tests.crash.rounds import Passing, Playing, all_of, every, several, summed_up

LIFE = "tests.crash.judged.life"
POINTS = tuple(f"commit.{when}/{record.type}" for record in OF_SERVERS for when in ("before", "after"))
SEVERAL = 6  # lives that die several times, in a round
assert sorted(WANTED) == sorted(record.type for record in OF_SERVERS)


def play(playing: Playing) -> bool:
    """Deaths at every passing of every point. Whether anything is wrong."""
    with nests(LIFE) as lives:
        mortal = Mortal(lives)

        def die(passings: Sequence[Passing]) -> Callable[[Path], Death]:
            return lambda home: mortal.die(home, passings)

        passed = {point: times for point, times in mortal.passed().items() if point in POINTS}
        plan = [*every(passed), *several(passed, playing.chance, SEVERAL * playing.rounds)]
        never = set(POINTS) - set(passed)
        if never:
            playing.console.print(f"[red]judged, never passed: {', '.join(sorted(never))}")
        return summed_up(all_of([die(each) for each in plan], playing, "judged"), "judged", playing) or bool(never)
