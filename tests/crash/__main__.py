"""`make crash`: dies at every point again and again, at random passings of it, and prints the hits of each point."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from tests.crash import doors
from tests.crash.harness import Trial, trial
from tests.crash.points import needs_a_death_before, points


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="deaths at each point and mode")
    parser.add_argument("--doors", action="store_true", help="only between the request and the reply")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    args = parser.parse_args()
    console = Console()
    console.print(f"seed {args.seed}")
    chance = random.Random(args.seed)
    is_wrong = False if args.doors else _runs(chance, args.rounds, console)
    return 1 if _doors(chance, args.rounds, console) or is_wrong else 0


def _runs(chance: random.Random, rounds: int, console: Console) -> bool:
    trials = _trials(chance, rounds, console)
    _print(console, trials)
    bad = [t for t in trials if t.is_wrong]
    never = sorted({t.point for t in trials} - {t.point for t in trials if t.was_hit})
    for found in bad:
        console.print(f"[red]{found.point} probe={found.has_probe}: {found.unknown} unknown {found.trouble}")
    if never:
        console.print(f"[red]never hit: {', '.join(never)}")
    console.print(f"{len(trials)} trials, {sum(t.was_hit for t in trials)} deaths, {len(bad)} wrong")
    return bool(bad or never)


def _doors(chance: random.Random, rounds: int, console: Console) -> bool:
    """Deaths between the request and the reply, at random passings of each point."""
    plan = [each for each in doors.points() for _ in range(rounds)]
    found: list[doors.Passage] = []
    with _progress(console) as progress:
        task = progress.add_task("dying", total=len(plan))
        for i, (point, transport) in enumerate(plan):
            nth = 1 if i % rounds == 0 or doors.passed_once(point) else chance.randint(1, 4)
            progress.update(task, description=f"{point}, {transport}")
            with tempfile.TemporaryDirectory(prefix="lichen-crash-") as home:
                found.append(asyncio.run(doors.passage(Path(home), point, transport, nth)))
            progress.advance(task)
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


def _trials(chance: random.Random, rounds: int, console: Console) -> list[Trial]:
    plan = [(point, has_probe) for point in points() for has_probe in (True, False) for _ in range(rounds)]
    found: list[Trial] = []
    with _progress(console) as progress:
        task = progress.add_task("dying", total=len(plan))
        for i, (point, has_probe) in enumerate(plan):
            nth = 1 if i % rounds == 0 else chance.randint(1, 6)
            home = Path(tempfile.mkdtemp(prefix="lichen-crash-"))
            progress.update(task, description=point)
            found.append(trial(home, point, has_probe=has_probe, nth=nth, prelude=needs_a_death_before(point)))
            progress.advance(task)
            shutil.rmtree(home)
    return found


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
