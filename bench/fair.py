"""How far another tenant's flood moves a quiet tenant's turn: alone and beside the flood, in turns. Prints JSON."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from bench.figure import ROOT, Figure, fsync_us_p50, run_own
from bench.own.shop import agents, policies
from lichen import Customer, Runtime, Scope
from lichen.core.words.ids import MessageId
from lichen.core.words.scope import SYSTEM
from lichen.runtime.operations.talk.session import Session

FLOOD = 200  # runs at a time
ROUNDS = 5
TURNS = 100  # of the quiet tenant in each part of a round
WARM_UP = 30
PAUSE_S = 0.04  # at most, between a reply and the next message of the quiet tenant: it wants little, at any time
QUIET, LOUD = Scope("quiet", "dev"), Scope("loud", "dev")


class Turns:
    """The quiet tenant: one message after the other, each a while after the last was answered."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._sent = 0

    async def take(self, count: int) -> list[float]:
        """How long each of so many turns took."""
        times: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            turn = await self._session.say("Where is order 1042?")
            await turn.result()
            times.append(time.perf_counter() - began)
            self._sent += 1
            await self._session.delivered(MessageId(f"o{self._sent}"))
            await asyncio.sleep(random.uniform(0, PAUSE_S))
        return times


async def flood(runtime: Runtime, done: list[int]) -> None:
    """Starts a run as soon as the last one has ended, for ever."""
    while True:
        run = await runtime.runs.start(LOUD, "bench.once", "go", Customer("customer-1"))
        await runtime.runs.result(LOUD, run, SYSTEM)
        done[0] += 1


async def main() -> None:
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        home = Path(folder)
        async with Runtime.open(home / "data", agents=agents(1), policies=policies(home)) as runtime:
            turns = Turns(await runtime.sessions.open(QUIET, Customer("customer-7"), agent="bench.once"))
            await turns.take(WARM_UP)
            alone: list[float] = []
            beside: list[float] = []
            done, loud_s = [0], 0.0
            for _ in range(ROUNDS):
                alone += await turns.take(TURNS)
                tasks = [asyncio.create_task(flood(runtime, done)) for _ in range(FLOOD)]
                await turns.take(WARM_UP // 3)
                began = time.perf_counter()
                beside += await turns.take(TURNS)
                loud_s += time.perf_counter() - began
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await runtime.idle()
    print(json.dumps({"alone": alone, "beside": beside, "loud_per_s": done[0] / max(loud_s, 1e-9)}))


def figures() -> list[Figure]:
    """The quiet tenant's turn beside the flood, with how it is alone as what it is compared with."""
    found = run_own("fair")
    alone, beside = sorted(found["alone"]), sorted(found["beside"])
    fsync = fsync_us_p50()
    return [
        Figure(
            f"flood {name}",
            f"a turn beside {FLOOD} runs of another tenant ({name})",
            _ms(_at(beside, share)),
            "ms",
            "lower",
            fsync_us_p50=fsync,
        )
        .beside("the same turn alone", "", _ms(_at(alone, share)))
        .held_to(0.5, of="ratio")
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def _at(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))]


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)


if __name__ == "__main__":
    if sys.argv[1:] == ["figures"]:
        for figure in figures():
            print(f"{figure.name}: {figure.value} ms, alone {figure.peer_value} ms")
    else:
        sys.setswitchinterval(0.0005)
        try:
            import uvloop

            uvloop.run(main())
        except ImportError:
            asyncio.run(main())
