"""What customers hear, and what a person has to agree to. Run it with pytest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lichen import Customer, Operator, Runtime, Scope
from lichen.settings import load

PROJECT = Path(__file__).with_name("lichen.toml")
SHOP, OPS = Scope("shop", "dev"), Operator("ops", ("operator",))


@asynccontextmanager
async def shop(home: Path) -> AsyncIterator[Runtime]:
    async with Runtime.of(load(PROJECT, environ={"LICHEN_HOME": str(home)})) as runtime:
        yield runtime


async def reply(runtime: Runtime, text: str) -> str:
    session = await runtime.sessions.open(SHOP, Customer("customer-1"))
    return (await (await session.say(text)).result()).text


def test_an_order_is_found_and_a_small_refund_is_made_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as runtime:
            assert await reply(runtime, "Where is order 1001?") == "Order 1001, your tea pot, is on its way."
            assert await reply(runtime, "Where is order 1003?") == "I find no order 1003 of yours."
            assert (await reply(runtime, "I want a refund of 20 EUR for order 1001.")).startswith("Done: 20.00 EUR")
            assert "cost less" in await reply(runtime, "I want a refund of 45 EUR for order 1001.")

    asyncio.run(story())


def test_a_large_refund_waits_until_an_operator_agrees(tmp_path: Path) -> None:
    async def story() -> None:
        async with shop(tmp_path) as runtime:
            assert "approval" in await reply(runtime, "I want a refund of 80 EUR for order 1002.")
            (wait,) = runtime.waits.list(SHOP, OPS, kinds=("approval",))
            await runtime.waits.approve(SHOP, wait.id, OPS)
            await runtime.idle()
            (run,) = runtime.runs.list(SHOP, OPS)
            assert (await runtime.runs.result(SHOP, run.id, OPS)).startswith("Done: 80.00 EUR")

    asyncio.run(story())
