"""Runs a second with 500 in flight and a model that takes 20 ms, and the memory that takes, beside the peers.

Of these only those with a store of their own would find a run again after a crash; none has a gate, an audit trail or
budgets. Ours has all of that in this.
"""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from bench.figure import ROUNDS, Figure, fsync_us_p50, run_own, run_peer
from bench.peers.flight import MODEL_S

AT_ONCE, RUNS = 500, 500
REQUESTS = 2  # to the model, of one run


class Peer(NamedTuple):
    """A peer's script, how it is told to store or not, and how many runs are enough for what it does."""

    name: str
    script: str
    kind: str
    at_once: int = AT_ONCE
    runs: int = RUNS


PEERS = (
    Peer("Pydantic AI, nothing stored", "pydantic_ai", "plain"),
    Peer("LangGraph, nothing stored", "langgraph", "plain"),
    Peer("LangGraph + SQLite checkpointer", "langgraph", "sqlite"),
    Peer("Pydantic AI + DBOS on SQLite, 100 in flight", "pydantic_ai", "dbos", at_once=100, runs=100),
)


def figures(rounds: int = ROUNDS, at_once: int = AT_ONCE, runs: int = RUNS) -> list[Figure]:
    """How many runs end a second, what one in flight takes of memory, and what all of it takes at most."""
    own: list[dict[str, Any]] = []
    peers: dict[Peer, list[dict[str, Any]]] = {peer: [] for peer in PEERS}
    fsync: list[float] = []
    for _ in range(rounds):
        own.append(run_own("own.flight", str(at_once), str(runs)))
        fsync.append(fsync_us_p50())
        for peer, found in peers.items():
            how = (str(min(at_once, peer.at_once)), str(min(runs, peer.runs)))
            found.append(run_peer(f"flight_{peer.script}.py", peer.kind, *how))
    return compared(own, peers, at_once, statistics.median(fsync))


def compared(
    own: list[dict[str, Any]], peers: dict[Peer, list[dict[str, Any]]], at_once: int, fsync_us: float
) -> list[Figure]:
    """Ours beside each of the peers. The least time of a run is what its model takes."""
    where = f"{at_once} runs in flight, a model of 20 ms"
    least = round(at_once / (REQUESTS * MODEL_S))
    ran = Figure(
        "flight runs",
        f"{where}: runs",
        round(_median(own, "runs_per_s")),
        "1/s",
        "higher",
        cpu_us=round(_median(own, "cpu_us"), 1),
        fsync_us_p50=fsync_us,
    ).above(least, "if nothing but the model took time")
    one = Figure("flight kb", f"{where}: memory of a run", round(_median(own, "run_kb"), 1), "KB", "lower")
    peak = Figure("flight peak", f"{where}: memory of the process", round(_median(own, "peak_mb")), "MB", "lower")
    beside = [
        figure.beside(peer.name, found[-1]["version"], _median(found, of))
        for figure, of in ((ran, "runs_per_s"), (one, "run_kb"), (peak, "peak_mb"))
        for peer, found in peers.items()
        if of in found[-1]
    ]
    return [figure.held_to(1, of="ratio") if figure.key == ran.key else figure for figure in beside]


def _median(found: list[dict[str, Any]], of: str) -> float:
    return statistics.median(each[of] for each in found)
