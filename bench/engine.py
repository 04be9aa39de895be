"""The engine's figures: a turn, durable steps, decisions, recovery. Each in turns with its peers."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

from bench import policy
from bench.figure import ROUNDS, Figure, fsync_us_p50, run_own, run_peer
from bench.floors import Floor, Unit

TURNS = 200
HELD_RUNS = 1_000  # with fewer at once nothing has to be reached
PEERS = {"langgraph": "LangGraph + SQLite checkpointer", "pydantic_ai": "Pydantic AI, not durable"}
AHEAD_OF_PYDANTIC_AI = {"none": 4.5, "once": 3.0}
TURN_US = {"none": 1_000.0, "once": 1_600.0}  # at an fdatasync of 150 us


def turn(effects: str, counts: dict[str, float]) -> list[Figure]:
    """One turn, beside LangGraph with its checkpointer (durable) and Pydantic AI (nothing stored)."""
    own: list[dict[str, Any]] = []
    floor = Floor()
    peers: dict[str, list[float]] = {name: [] for name in PEERS}
    versions: dict[str, str] = {}
    fsync: list[float] = []
    for _ in range(ROUNDS):
        own.append(run_own("own.turn", effects, str(TURNS)))
        records, barriers = own[-1]["timed_records"], max(1.0, own[-1]["timed_barriers"])
        unit = Unit(records, counts["seals"], barriers, counts["Python calls"])
        floor.measure(unit, max(1, round(records / barriers)))
        fsync.append(fsync_us_p50())
        for name, p50 in peers.items():
            peer = run_peer(f"{name}_turn.py", str(TURNS))
            p50.append(statistics.median(peer["times"]))
            versions[name] = peer["version"]
    barriers = statistics.median(found["barriers"] for found in own)  # with the delivery's, which no customer waits for
    figure = Figure(
        key=f"turn {effects}",
        name=f"one turn, {effects} tool, all on (p50)",
        value=_us(statistics.median(statistics.median(found["times"]) for found in own)),
        unit="us",
        better="lower",
        cpu_us=round(statistics.median(found["cpu_us"] for found in own), 1),
        barriers=round(barriers, 2),
        fsync_us_p50=statistics.median(fsync),
    )
    figure = figure.above(_us(floor.seconds), floor.of)
    beside = {
        name: figure.beside(PEERS[name], versions[name], _us(statistics.median(p50))) for name, p50 in peers.items()
    }
    ahead = beside["pydantic_ai"].held_to(AHEAD_OF_PYDANTIC_AI[effects], of="ratio")
    return [beside["langgraph"].held_to(TURN_US[effects]), ahead]


def records(runs: int, counts: dict[str, float], *, tenants: int = 1) -> list[Figure]:
    """Durable records and steps per second, beside DBOS on SQLite on the same disk."""
    own: list[dict[str, Any]] = []
    peer: list[float] = []
    fsync: list[float] = []
    floor = Floor()
    version = ""
    rounds = max(1, 200 // runs)
    for _ in range(ROUNDS):
        own.append(run_own("own.records", str(runs), str(rounds), str(tenants)))
        if runs >= HELD_RUNS:
            barriers = own[-1]["barriers"]
            unit = Unit(counts["records"], counts["seals"], counts["records"] * barriers, counts["Python calls"])
            floor.measure(unit, max(1, round(1 / barriers)))
        fsync.append(fsync_us_p50())
        if tenants == 1:
            found = run_peer("dbos_steps.py", str(runs), str(max(30, min(runs, 120))))
            peer.append(found["steps_per_s"])
            version = found["version"]
    where = f"{runs:,} runs" + (f" of {tenants:,} tenants" if tenants > 1 else "")
    chosen = sorted(own, key=lambda each: each["steps_per_s"])[len(own) // 2]
    shared: dict[str, Any] = {"unit": "1/s", "better": "higher", "fsync_us_p50": statistics.median(fsync)}
    durable = Figure(
        key=f"records {where}",
        name=f"durable records, {where}",
        value=round(chosen["records_per_s"]),
        cpu_us=round(chosen["cpu_us"], 1),
        barriers=round(chosen["barriers"], 4),
        **shared,
    )
    steps = Figure(key=f"steps {where}", name=f"durable steps, {where}", value=round(chosen["steps_per_s"]), **shared)
    if peer:
        steps = steps.beside("DBOS on SQLite", version, statistics.median(peer))
    if runs < HELD_RUNS:
        return [durable, steps]
    return [durable, *_held(steps.above(round(1 / floor.seconds), floor.of), tenants)]


def _held(steps: Figure, tenants: int) -> list[Figure]:
    """The steps with what they are held to."""
    if tenants > 1:
        return [steps.held_to(2_500)]
    return [steps.held_to(11, of="ratio"), steps.held_to(3_500)]


def decisions(count: int) -> list[Figure]:
    """One decision, beside cedarpy with prepared handles."""
    own, peer = [], []
    version = ""
    for _ in range(ROUNDS):
        own.append(policy.measure(count))
        found = run_peer("cedarpy_decisions.py", input=policy.peer_input(count), python=Path(sys.executable))
        peer.append(found["us"])
        version = found["version"]
    name = f"policy decision, {count:,} policies"
    figure = Figure(f"decision {count}", name, round(statistics.median(own), 2), "us", "lower").held_to(5)
    return [figure.beside("cedarpy, prepared handles", version, statistics.median(peer))]


def recovery(runs: int) -> list[Figure]:
    """From the start of the new process until every run is finished, with bytecode as pip installs it."""
    own, bare = [], []
    for _ in range(ROUNDS):
        own.append(run_own("own.recovery", str(runs))["seconds"])
        bare.append(run_own("own.recovery", "1")["seconds"])
    value = round(statistics.median(own), 3)
    figure = Figure(
        f"recovery {runs}",
        f"recovery of {runs:,} runs after kill -9",
        value,
        "s",
        "lower",
        fsync_us_p50=fsync_us_p50(),
    )
    return [figure.held_to(0.7).above(statistics.median(bare), "the same of a single run")]


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 1)
