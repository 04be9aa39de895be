"""A tool that hangs, floods or lies costs only its own call: what is beside it and what comes after it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from lichen import tool
from lichen.core.ports.call import RESULT_BYTES_MAX, Tool
from lichen.testing.worlds import world
from tests.runtime.flaky import Moods, asked, caller

TIME_S = 2.0
MANY = 4 * RESULT_BYTES_MAX


async def sleeps() -> str:
    await asyncio.sleep(10_000.0)
    return ""


async def will_not_stop() -> str:
    for _ in range(2):  # told to end once more, it ends, or the test would not
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(10_000.0)
    return ""


async def floods() -> str:
    return "x" * MANY


async def floods_deeply() -> dict[str, Any]:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    return deep


async def floods_its_error() -> str:
    raise ValueError("x" * MANY)


async def lies() -> dict[str, int]:
    return {"amount": "a lot"}  # type: ignore[dict-item]


async def says_nothing() -> int:
    return None  # type: ignore[return-value]


async def ends_the_process() -> str:
    raise SystemExit(3)


BAD: dict[Callable[..., Any], str] = {
    sleeps: "timeout",
    will_not_stop: "timeout",
    floods: "result_too_large",
    floods_deeply: "result_invalid",
    floods_its_error: "exception_ValueError",
    lies: "result_invalid",
    says_nothing: "result_invalid",
    ends_the_process: "tool_failed",
}


def made(work: Callable[..., Any]) -> Tool:
    return tool(name="shop.bad", effects="none", timeout_s=TIME_S)(work)


@pytest.mark.req("SYM-81.15")
@pytest.mark.parametrize("work", BAD, ids=[work.__name__ for work in BAD])
async def test_what_a_tool_does_wrong_costs_only_its_call(work: Callable[..., Any]) -> None:
    good = tool(name="shop.good", effects="none")(Moods("works").act())
    async with world(agents=[caller([made(work), good])]) as shop:
        began_us = shop.clock.now_us()
        assert await asked(shop, "shop.bad shop.good") == f"{BAD[work]} ok"
        assert shop.clock.now_us() - began_us < 3 * TIME_S * 1e6
        assert await asked(shop, "shop.good", person="customer-8") == "ok"
        records = shop.records()
        assert max(len(str(each.contents)) for each in records) < RESULT_BYTES_MAX
