"""What a request to a model costs beside the same one by the provider's bare client: by our handle, by a whole run."""

from __future__ import annotations

import os
import statistics
from typing import Any, NamedTuple

from bench.figure import ROUNDS, Figure, fsync_us_p50, run_own, run_peer
from bench.messages import served

REQUESTS = 100
KINDS = {"whole": "", "streamed": ", streamed"}


class Cost(NamedTuple):
    """The microseconds of a request: at the median of the clock, and of the processors on average."""

    p50_us: float
    cpu_us: float


class Found(NamedTuple):
    """What the processes said, a round after the other: the bare client, ours, Pydantic AI."""

    bare: list[dict[str, Any]]
    own: list[dict[str, Any]]
    peer: list[dict[str, Any]]


def figures(rounds: int = ROUNDS, requests: int = REQUESTS) -> list[Figure]:
    """A plan's request and a whole run of one, each above the bare client's, beside Pydantic AI's above the same."""
    found = Found([], [], [])
    fsync: list[float] = []
    with served("-m", "bench.provider") as provider:
        reach = {"OPENAI_BASE_URL": f"http://127.0.0.1:{provider['port']}/v1", "OPENAI_API_KEY": "none"}
        environment = os.environ | reach
        for _ in range(rounds):
            found.bare.append(run_peer("calls_openai.py", str(requests), env=environment))
            found.own.append(run_own("own.calls", str(requests), env=environment))
            found.peer.append(run_peer("calls_pydantic_ai.py", str(requests), env=environment))
            fsync.append(fsync_us_p50())
    return compared(found, statistics.median(fsync))


def compared(found: Found, fsync_us: float) -> list[Figure]:
    """What is above the bare client's, in microseconds; what that takes itself stands beside it."""
    made: list[Figure] = []
    for kind, words in KINDS.items():
        bare = _cost(found.bare, kind)
        for key, way, name, beside in (
            ("model request", kind, "a plan's request to a model", "Pydantic AI's model class, asked alone"),
            ("model run", f"agent {kind}", "a run of one request, everything on", "Pydantic AI, nothing stored"),
        ):
            own, peer = _cost(found.own, way), _cost(found.peer, way)
            figure = Figure(
                key=f"{key}{words}",
                name=f"{name}{words}: above the bare client, which takes {bare.p50_us:,.0f} us (p50)",
                value=round(own.p50_us - bare.p50_us, 1),
                unit="us",
                better="lower",
                cpu_us=round(own.cpu_us - bare.cpu_us, 1),
                fsync_us_p50=fsync_us,
            ).beside(beside, found.peer[-1]["version"], peer.p50_us - bare.p50_us)
            made.append(figure.held_to(1, of="ratio") if key == "model run" else figure)
    return made


def _cost(found: list[dict[str, Any]], way: str) -> Cost:
    """The medians of the rounds."""
    taken = [each["taken"][way] for each in found]
    return Cost(
        statistics.median(statistics.median(seconds for seconds, _ in each) for each in taken) * 1e6,
        statistics.median(statistics.mean(cpu for _, cpu in each) for each in taken) * 1e6,
    )
