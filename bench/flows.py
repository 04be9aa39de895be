"""Nodes of flows per second beside a LangGraph graph of the same shape: in memory, and with each node's result durable.

A plan walks every node that needs nothing from outside, so a chain of texts is durable as one; LangGraph commits after
each node. What is beside its checkpointer is a chain of calls, therefore: each result is a record of its own.
"""

from __future__ import annotations

import statistics
from typing import Any, Final

from bench.figure import ROUNDS, Figure, fsync_us_p50, run_own, run_peer

NODES: Final = 200
LONG: Final = 10_000
WALKS, LONG_WALKS, PEER_WALKS = 20, 3, 5
PEER: Final = "LangGraph"


def figures(rounds: int = ROUNDS) -> list[Figure]:
    """Each beside LangGraph, in turns; and a flow of ten thousand nodes."""
    own: list[dict[str, Any]] = []
    peer: list[dict[str, Any]] = []
    fsync: list[float] = []
    for _ in range(rounds):
        own.append(run_own("own.flows", str(NODES), str(WALKS)))
        peer.append(run_peer("langgraph_flow.py", str(NODES), str(PEER_WALKS)))
        fsync.append(fsync_us_p50())
    version = peer[-1]["version"]
    shared: dict[str, Any] = {"unit": "1/s", "better": "higher"}
    memory = Figure("flow nodes memory", f"flow nodes, {NODES} in a chain, in memory", _rate(own, "memory"), **shared)
    whole = Figure(
        "flow nodes durable", f"flow nodes, {NODES} in a chain, durable as one plan", _rate(own, "durable"), **shared
    )
    calls = Figure(
        "flow nodes calls",
        f"flow nodes, {NODES} calls in a chain, each durable",
        _rate(own, "calls"),
        fsync_us_p50=statistics.median(fsync),
        **shared,
    )
    return [
        memory.beside(f"{PEER}, MemorySaver", version, _rate(peer, "memory")).held_to(5, of="ratio"),
        whole,
        calls.beside(f"{PEER} + SQLite checkpointer", version, _rate(peer, "durable")).held_to(1, of="ratio"),
        _long(),
    ]


def _long() -> Figure:
    """The time per node of a long flow, which must not grow with its length."""
    found = run_own("own.flows", str(LONG), str(LONG_WALKS))
    us = round(statistics.median(found["memory"]) / LONG * 1e6, 1)
    return Figure("flow node long", f"a node of a flow of {LONG:,}", us, "us", "lower").held_to(100)


def _rate(found: list[dict[str, Any]], what: str) -> float:
    """Nodes per second."""
    return round(NODES / statistics.median(statistics.median(each[what]) for each in found))
