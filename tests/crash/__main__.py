"""`make crash`: dies at every point again and again, at random passings of it, and prints the hits of each point."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from tests.crash import doors
from tests.crash.harness import Trial, trial
from tests.crash.own import KINDS
from tests.crash.owned import POINTS, Death, death
from tests.crash.points import needs_a_death_before, points
from tests.crash.visitor import Transport

T = TypeVar("T")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="deaths at each point and mode")
    parser.add_argument("--doors", action="store_true", help="only between the request and the reply")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="trials at once, each a process")
    args = parser.parse_args()
    console = Console()
    console.print(f"seed {args.seed}")
    chance = random.Random(args.seed)
    is_wrong = False if args.doors else _runs(chance, args, console)
    is_wrong = (False if args.doors else _own(args, console)) or is_wrong
    return 1 if _doors(chance, args, console) or is_wrong else 0


def _own(args: argparse.Namespace, console: Console) -> bool:
    """Deaths of agents that are written elsewhere, each kind at each point."""

    def die(kind: str, point: str) -> Callable[[Path], Death]:
        return lambda home: death(home, kind, point, 1)

    found = _all_of([die(kind, point) for kind in KINDS for point in POINTS], args.at_once, console)
    for each in found:
        if each.trouble or not each.was_hit:
            console.print(f"[red]{each.kind}, {each.point}: {each.trouble or 'never hit'}")
    bad = [each for each in found if each.trouble or not each.was_hit]
    console.print(f"{len(found)} lives of agents written elsewhere, {len(bad)} wrong")
    return bool(bad)


def _runs(chance: random.Random, args: argparse.Namespace, console: Console) -> bool:
    trials = _trials(chance, args, console)
    _print(console, trials)
    bad = [t for t in trials if t.is_wrong]
    never = sorted({t.point for t in trials} - {t.point for t in trials if t.was_hit})
    for found in bad:
        console.print(f"[red]{found.point} probe={found.has_probe}: {found.unknown} unknown {found.trouble}")
    if never:
        console.print(f"[red]never hit: {', '.join(never)}")
    console.print(f"{len(trials)} trials, {sum(t.was_hit for t in trials)} deaths, {len(bad)} wrong")
    return bool(bad or never)


def _doors(chance: random.Random, args: argparse.Namespace, console: Console) -> bool:
    """Deaths between the request and the reply, at random passings of each point."""

    def die(point: str, transport: Transport, nth: int) -> Callable[[Path], doors.Passage]:
        return lambda home: asyncio.run(doors.passage(home, point, transport, nth))

    plan: list[Callable[[Path], doors.Passage]] = []
    for point, transport in doors.points():
        for i in range(args.rounds):
            nth = 1 if i == 0 or doors.passed_once(point) else chance.randint(1, 4)
            plan.append(die(point, transport, nth))
    found = _all_of(plan, args.at_once, console)
    table = Table(Column("point", no_wrap=True), "transport", "conversations", "hits")
    for point, transport in doors.points():
        own = [p for p in found if (p.point, p.transport) == (point, transport)]
        table.add_row(point, transport, str(len(own)), str(sum(p.was_hit for p in own)))
    console.print(table)
    bad = [p for p in found if p.trouble]
    for passage in bad:
        console.print(f"[red]{passage.point}, {passage.transport}: {passage.trouble}")
    never = set(doors.points()) - {(p.point, p.transport) for p in found if p.was_hit}
    for point, transport in sorted(never):
        console.print(f"[red]never hit: {point}, {transport}")
    console.print(f"{len(found)} conversations, {sum(p.was_hit for p in found)} deaths, {len(bad)} wrong")
    return bool(bad or never)


def _trials(chance: random.Random, args: argparse.Namespace, console: Console) -> list[Trial]:
    """Deaths in the midst of runs, with and without a probe."""

    def die(point: str, has_probe: bool, *, nth: int) -> Callable[[Path], Trial]:
        prelude = needs_a_death_before(point)
        return lambda home: trial(home, point, has_probe=has_probe, nth=nth, prelude=prelude)

    rounds: int = args.rounds
    each = [(point, has_probe) for point in points() for has_probe in (True, False)]
    nths = [1 if i == 0 else chance.randint(1, 6) for _ in each for i in range(rounds)]
    plan = [die(*each[i // rounds], nth=nth) for i, nth in enumerate(nths)]
    return _all_of(plan, args.at_once, console)


def _all_of(plan: list[Callable[[Path], T]], at_once: int, console: Console) -> list[T]:
    """Carries out the plan, so many at once, each in a home of its own that is gone afterwards. In the plan's order."""

    def in_a_home(die: Callable[[Path], T]) -> T:
        with tempfile.TemporaryDirectory(prefix="lichen-crash-") as home:
            return die(Path(home))

    with ThreadPoolExecutor(at_once) as pool, _progress(console) as progress:
        task = progress.add_task("dying", total=len(plan))
        deaths = [pool.submit(in_a_home, die) for die in plan]
        for death in as_completed(deaths):
            death.result()
            progress.advance(task)
    return [death.result() for death in deaths]


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


def _print(console: Console, trials: list[Trial]) -> None:
    table = Table(Column("point", no_wrap=True), "trials", "hits", "unknown with probe", "unknown without")
    for point in dict.fromkeys(t.point for t in trials):
        own = [t for t in trials if t.point == point]
        unknown = [sum(t.unknown for t in own if t.has_probe is probe) for probe in (True, False)]
        table.add_row(point, str(len(own)), str(sum(t.was_hit for t in own)), str(unknown[0]), str(unknown[1]))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
