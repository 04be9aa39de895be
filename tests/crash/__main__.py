"""`make crash`: dies at every point again and again, at random passings of it, and prints what came of it.

`python -m tests.crash --only streamed --rounds 1` plays one part.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from tests.crash import doors
from tests.crash.apart.deaths import play as apart
from tests.crash.flowed.deaths import play as flowed
from tests.crash.harness import LIFE, Trial, trial
from tests.crash.hooked.deaths import play as hooked
from tests.crash.judged.deaths import play as judged
from tests.crash.nest import Nests, nests
from tests.crash.others.deaths import play as others
from tests.crash.owned import play as own
from tests.crash.patterned.deaths import play as patterned
from tests.crash.points import needs_a_death_before, points
from tests.crash.rounds import Playing, all_of
from tests.crash.streamed.deaths import play as streamed
from tests.crash.visitor import Transport


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="deaths at each point and mode")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="lives at once, each a process")
    args = parser.parse_args()
    console = Console()
    console.print(f"seed {args.seed}")
    playing = Playing(args.rounds, args.at_once, random.Random(args.seed), console)
    wrong = [name for name in args.only or PARTS if PARTS[name](playing)]
    if wrong:
        console.print(f"[red]wrong: {', '.join(wrong)}")
    return bool(wrong)


def _runs(playing: Playing) -> bool:
    """Deaths in the midst of runs, with and without a probe."""
    with nests(LIFE) as lives:
        trials = all_of(_trials(lives, playing), playing, "runs")
    _print(playing.console, trials)
    bad = [t for t in trials if t.is_wrong]
    never = sorted({t.point for t in trials} - {t.point for t in trials if t.was_hit})
    for found in bad:
        playing.console.print(f"[red]{found.point} probe={found.has_probe}: {found.unknown} unknown {found.trouble}")
    if never:
        playing.console.print(f"[red]never hit: {', '.join(never)}")
    playing.console.print(f"{len(trials)} trials, {sum(t.was_hit for t in trials)} deaths, {len(bad)} wrong")
    return bool(bad or never)


def _trials(lives: Nests, playing: Playing) -> list[Callable[[Path], Trial]]:
    def die(point: str, has_probe: bool, *, nth: int) -> Callable[[Path], Trial]:
        prelude = needs_a_death_before(point)
        return lambda home: trial(lives, home, point, has_probe=has_probe, nth=nth, prelude=prelude)

    each = [(point, has_probe) for point in points() for has_probe in (True, False)]
    nths = [1 if i == 0 else playing.chance.randint(1, 6) for _ in each for i in range(playing.rounds)]
    return [die(*each[i // playing.rounds], nth=nth) for i, nth in enumerate(nths)]


def _doors(playing: Playing) -> bool:
    """Deaths between the request and the reply, at random passings of each point."""

    def die(point: str, transport: Transport, nth: int) -> Callable[[Path], doors.Passage]:
        return lambda home: asyncio.run(doors.passage(home, point, transport, nth))

    plan: list[Callable[[Path], doors.Passage]] = []
    for point, transport in doors.points():
        for i in range(playing.rounds):
            nth = 1 if i == 0 or doors.passed_once(point) else playing.chance.randint(1, 4)
            plan.append(die(point, transport, nth))
    found = all_of(plan, playing, "doors")
    table = Table(Column("point", no_wrap=True), "transport", "conversations", "hits")
    for point, transport in doors.points():
        own = [p for p in found if (p.point, p.transport) == (point, transport)]
        table.add_row(point, transport, str(len(own)), str(sum(p.was_hit for p in own)))
    playing.console.print(table)
    bad = [p for p in found if p.trouble]
    for passage in bad:
        playing.console.print(f"[red]{passage.point}, {passage.transport}: {passage.trouble}")
    never = set(doors.points()) - {(p.point, p.transport) for p in found if p.was_hit}
    for point, transport in sorted(never):
        playing.console.print(f"[red]never hit: {point}, {transport}")
    playing.console.print(f"{len(found)} conversations, {sum(p.was_hit for p in found)} deaths, {len(bad)} wrong")
    return bool(bad or never)


def _print(console: Console, trials: list[Trial]) -> None:
    table = Table(Column("point", no_wrap=True), "trials", "hits", "unknown with probe", "unknown without")
    for point in dict.fromkeys(t.point for t in trials):
        own = [t for t in trials if t.point == point]
        unknown = [sum(t.unknown for t in own if t.has_probe is probe) for probe in (True, False)]
        table.add_row(point, str(len(own)), str(sum(t.was_hit for t in own)), str(unknown[0]), str(unknown[1]))
    console.print(table)


PARTS: dict[str, Callable[[Playing], bool]] = {
    "runs": _runs,
    "own": own,
    "streamed": streamed,
    "patterned": patterned,
    "flowed": flowed,
    "doors": _doors,
    "hooked": hooked,
    "judged": judged,
    "others": others,
    "apart": apart,
}
"""The parts of the suite: each plays itself, and says whether anything is wrong."""


if __name__ == "__main__":
    sys.exit(main())
