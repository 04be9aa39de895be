"""What the gateway does without a door: messages said to the runtime itself, and answered. Prints how many a second."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
from pathlib import Path

from bench.figure import ROOT
from bench.own.gateway import hosted
from lichen import Customer, Scope
from lichen.runtime.runtime import Runtime

CONVERSATIONS, AT_ONCE, LOAD_S = 100, 32, 5.0


async def main() -> None:
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        async with Runtime.of(hosted(Path(folder))) as runtime:
            people = [Customer(f"dl_{i}") for i in range(CONVERSATIONS)]
            sessions = [await runtime.sessions.open(Scope("acme", "dev"), each, agent="bench.none") for each in people]
            began, said = time.perf_counter(), 0
            each = itertools.cycle(sessions)

            async def speaker() -> None:
                nonlocal said
                while time.perf_counter() < began + LOAD_S:
                    await next(each).say("Where is order 1042?")
                    said += 1

            await asyncio.gather(*(speaker() for _ in range(AT_ONCE)))
            await runtime.idle()
            print(json.dumps({"per_s": said / (time.perf_counter() - began)}))


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main())
    except ImportError:
        asyncio.run(main())
