"""A process that asks one model all the time: `python -m tests.agents.ways.asker HOME URL NAME CROWD`.

It shares what it learns with whatever else asks over the same data directory, exactly as a runtime does.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from lichen.agents.models.model import resolve
from lichen.agents.ways.ways import Ways
from lichen.core.ports.model import ModelError, ModelMessage, ModelRequest
from lichen.runtime.given.connections import Reaching
from lichen.runtime.given.sharing import sharing
from lichen.settings.providers import ProviderTable
from tests.agents.ways.remote import ACME
from tests.runtime.test_connections import KeyOf


def now_us() -> int:
    return time.time_ns() // 1000


def chance() -> float:
    return int.from_bytes(os.urandom(4), "big") / 2**32


async def main(home: Path, url: str, name: str, crowd: int) -> None:
    table = ProviderTable("env:LLM_KEY", url, tries=20)
    async with sharing(home, now_us, os.urandom) as shared:
        around = Ways(now_us, chance, windows=shared.windows)
        connections = Reaching(lambda scope, provider: table, KeyOf({}), {"LLM_KEY": "k-1"}, shared.salt)
        reached = around.reach(resolve("openai-chat:gpt-4o"), connections, ACME)
        request = ModelRequest(f"I am {name}.", (ModelMessage("user", "Hello."),), time_s=60.0)

        async def ask() -> None:
            while True:
                try:
                    await reached.generate(request)
                except ModelError:
                    await asyncio.sleep(0.2)

        await asyncio.gather(*(ask() for _ in range(crowd)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
