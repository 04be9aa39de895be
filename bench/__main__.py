"""`make bench`: every figure beside the peer it must beat, measured in turns, and what a turn and a step cost, counted.

Writes results/latest.json, and, when it is whole, a line of results/history.jsonl, the picture results/history.svg and
the table of README.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import (
    asking,
    building,
    channels,
    components,
    engine,
    fair,
    flows,
    flying,
    jails,
    messages,
    servers,
    start,
    webhooks,
)
from bench.figure import ROOT, Figure, run_own
from bench.show import history, picture, readme, table

RUNS = (1, 100, 1000)
POLICIES = (10, 100, 1000)


def plan(run: history.Run) -> list[tuple[str, Callable[[], list[Figure]]]]:
    """What is measured, in order. The counts are there when the first begins."""

    def turn_of(effects: str) -> list[Figure]:
        return engine.turn(effects, run.counts[f"turn {effects}"])

    def records(runs: int, tenants: int = 1) -> list[Figure]:
        return engine.records(runs, run.counts["step"], tenants=tenants)

    return [
        ("one turn, none", lambda: turn_of("none")),
        ("one turn, once", lambda: turn_of("once")),
        *((f"records, {runs} runs", partial(records, runs)) for runs in RUNS),
        ("records, 1,000 tenants", lambda: records(1000, 1000)),
        *((f"decisions, {count} policies", partial(engine.decisions, count)) for count in POLICIES),
        ("recovery, 1,000 runs", lambda: engine.recovery(1000)),
        ("nodes of flows", flows.figures),
        ("messages accepted", messages.accepted),
        ("message to reply", messages.answered),
        ("1,000 WebSockets", messages.sockets),
        ("webhooks accepted", webhooks.accepted),
        ("webhook to answer", webhooks.answered),
        ("webhooks beside a flood", webhooks.beside_a_flood),
        ("messages on channels", channels.figures),
        ("beside a flood", fair.figures),
        ("start", start.figures),
        ("a jail", jails.figures),
        ("components", components.figures),
        ("servers", servers.figures),
        ("agents built", building.figures),
        ("requests to a model", asking.figures),
        ("500 runs in flight", flying.figures),
    ]


def main() -> None:
    console = Console()
    run = history.begun()
    columns = (TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = time.perf_counter()
    steps = plan(run)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("counts", total=len(steps) + 1)
        run.counts = run_own("own.counts")
        for title, measure in steps:
            progress.update(task, description=title, advance=1)
            run.figures += measure()
            history.write(run)
        progress.advance(task)
    history.record(run)
    picture.write()
    readme.write()
    table.show(console, run)
    console.print(f"{time.perf_counter() - began:.0f} s, drawn in {picture.PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
