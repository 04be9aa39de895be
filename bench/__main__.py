"""`make bench`: every figure beside the peer it must beat, measured in turns. Writes results/latest.json."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench import fair, messages, policy, start
from bench.figure import ROOT, Figure, fsync_us_p50, run_own, run_peer

RESULTS = ROOT / "bench" / "results" / "latest.json"
ROUNDS = 3
TURNS = 200


def turn(effects: str) -> list[Figure]:
    """One turn, beside LangGraph with its checkpointer (durable) and Pydantic AI (nothing stored)."""
    own: list[float] = []
    peers: dict[str, list[float]] = {"langgraph": [], "pydantic_ai": []}
    versions: dict[str, str] = {}
    cpu, barriers, fsync = [], [], []
    for _ in range(ROUNDS):
        found = run_own("turn", effects, str(TURNS))
        own += found["times"]
        cpu.append(found["cpu_us"])
        barriers.append(found["barriers"])
        fsync.append(fsync_us_p50())
        for name, times in peers.items():
            peer = run_peer(f"{name}_turn.py", str(TURNS))
            times += peer["times"]
            versions[name] = peer["version"]
    figure = Figure(
        name=f"one turn, {effects} tool, all on (p50)",
        value=_us(statistics.median(own)),
        unit="us",
        better="lower",
        cpu_us=round(statistics.median(cpu), 1),
        barriers=round(statistics.median(barriers), 2),
        fsync_us_p50=statistics.median(fsync),
    )
    titles = {"langgraph": "LangGraph + SQLite checkpointer", "pydantic_ai": "Pydantic AI, not durable"}
    return [figure.beside(titles[name], versions[name], _us(statistics.median(times))) for name, times in peers.items()]


def records(runs: int, tenants: int = 1) -> list[Figure]:
    """Durable records and steps per second, beside DBOS on SQLite on the same disk."""
    own, peer, fsync = [], [], []
    version = ""
    rounds = max(1, 200 // runs)
    for _ in range(ROUNDS):
        own.append(run_own("records", str(runs), str(rounds), str(tenants)))
        fsync.append(fsync_us_p50())
        if tenants == 1:
            found = run_peer("dbos_steps.py", str(runs), str(max(30, min(runs, 120))))
            peer.append(found["steps_per_s"])
            version = found["version"]
    where = f"{runs:,} runs" + (f" of {tenants:,} tenants" if tenants > 1 else "")
    best = statistics.median_low([round(f["records_per_s"]) for f in own])
    chosen = next(f for f in own if round(f["records_per_s"]) == best)
    shared = {"unit": "1/s", "better": "higher", "fsync_us_p50": statistics.median(fsync)}
    durable = Figure(
        name=f"durable records, {where}",
        value=best,
        cpu_us=round(chosen["cpu_us"], 1),
        barriers=round(chosen["barriers"], 4),
        **shared,
    )
    steps = Figure(name=f"durable steps, {where}", value=round(chosen["steps_per_s"]), **shared)
    if peer:
        steps = steps.beside("DBOS on SQLite", version, statistics.median(peer))
    return [durable, steps]


def decisions(count: int) -> list[Figure]:
    """One decision, beside cedarpy with prepared handles."""
    own, peer = [], []
    version = ""
    for _ in range(ROUNDS):
        own.append(policy.measure(count))
        found = run_peer("cedarpy_decisions.py", input=policy.peer_input(count), python=Path(sys.executable))
        peer.append(found["us"])
        version = found["version"]
    figure = Figure(f"policy decision, {count:,} policies", round(statistics.median(own), 2), "us", "lower")
    return [figure.beside("cedarpy, prepared handles", version, statistics.median(peer))]


def recovery(runs: int) -> list[Figure]:
    """From the start of the new process until every run is finished."""
    own = [run_own("recovery", str(runs))["seconds"] for _ in range(ROUNDS)]
    value = round(statistics.median(own), 3)
    return [Figure(f"recovery of {runs:,} runs after kill -9", value, "s", "lower", fsync_us_p50=fsync_us_p50())]


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 1)


def main() -> None:
    console = Console()
    plan = [
        ("one turn, none", lambda: turn("none")),
        ("one turn, once", lambda: turn("once")),
        *((f"records, {n} runs", lambda n=n: records(n)) for n in (1, 100, 1000)),
        ("records, 1,000 tenants", lambda: records(1000, 1000)),
        *((f"decisions, {n} policies", lambda n=n: decisions(n)) for n in (10, 100, 1000)),
        ("recovery, 1,000 runs", lambda: recovery(1000)),
        ("messages accepted", messages.accepted),
        ("message to reply", messages.answered),
        ("1,000 WebSockets", messages.sockets),
        ("beside a flood", fair.figures),
        ("start", start.figures),
    ]
    figures: list[Figure] = []
    columns = (TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = time.perf_counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(plan))
        for title, measure in plan:
            progress.update(task, description=title)
            figures += measure()
            _write(figures)
            progress.advance(task)
    _print(console, figures)
    console.print(f"{time.perf_counter() - began:.0f} s, written to {RESULTS.relative_to(ROOT)}")


def _write(figures: list[Figure]) -> None:
    """Writes what there is so far, so that a run that is cut off leaves its figures."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")


def _print(console: Console, figures: list[Figure]) -> None:
    table = Table("figure", "ours", "peer", "its figure", "ahead", "cpu us", "barriers", "fsync us")
    for f in figures:
        ahead = "" if f.ratio is None else f"[{'green' if f.ratio > 1 else 'red'}]{f.ratio:.1f}x"
        peer = f"{f.peer} {f.peer_version}" if f.peer else ""
        numbers = [f.cpu_us, f.barriers, f.fsync_us_p50]
        table.add_row(
            f.name,
            f"{f.value:,} {f.unit}",
            peer,
            "" if f.peer_value is None else f"{f.peer_value:,.1f}",
            ahead,
            *("" if n is None else f"{n:,}" for n in numbers),
        )
    console.print(table)


if __name__ == "__main__":
    main()
