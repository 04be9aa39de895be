"""A clock that goes back: the day goes on, and it is told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lichen import Agent
from lichen.core.words.scope import SYSTEM
from lichen.runtime import Runtime
from lichen.runtime.project.hosting import specs_of
from lichen.runtime.project.policies import FromDirectory
from tests.runtime.world import CUSTOMER, PAID, SCOPE, Payer, lose, pay

DAY_S = 86_400
DAILY = """
@id("pay") permit (principal is Agent, action == Action::"till.pay", resource)
when { context.meters.paid + context.args.amount <= 100 };
"""
METERS = '[[meter]]\nname = "paid"\ntools = ["till.pay"]\namount = "amount"\nper = "subject"\nwindow = "day"\n'


class Clock:
    def __init__(self) -> None:
        self.ahead_s = 0

    def __call__(self) -> int:
        return time.time_ns() // 1000 + self.ahead_s * 1_000_000


def runtime_of(home: Path, clock: Clock) -> Runtime:
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "till.cedar").write_text(DAILY)
    (policies / "meters.toml").write_text(METERS)
    agents = [Agent("till.clerk", planner=Payer(), tools=[pay, lose])]
    return Runtime(home, agents, FromDirectory(policies, specs_of(agents)), clock=clock)


async def paid(runtime: Runtime, amount: int) -> bool:
    before = len(PAID)
    session = await runtime.sessions.open(SCOPE, CUSTOMER)
    await (await session.say(f"pay {amount}")).result()
    return len(PAID) > before


@pytest.mark.req("LIC-13.15")
@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("hops_s", [(-DAY_S,), (DAY_S, 0), (DAY_S, 0, DAY_S)])
async def test_a_clock_that_goes_back_gives_nobody_a_second_budget_of_the_day(
    tmp_path: Path, hops_s: tuple[int, ...], is_restarted: bool
) -> None:
    clock, budgets = Clock(), 0
    runtime = runtime_of(tmp_path, clock)
    await runtime.__aenter__()
    try:
        budgets += await paid(runtime, 100)
        for hop_s in hops_s:
            clock.ahead_s = hop_s
            if is_restarted:
                await runtime.__aexit__(None, None, None)
                runtime = runtime_of(tmp_path, clock)
                await runtime.__aenter__()
            budgets += await paid(runtime, 100)
        days = 1 + (max(hops_s) > 0)
        assert budgets == days, "one for each day that really came, in whatever order"
        behind_s = runtime.admin.health(None, SYSTEM).clock_behind_s
        assert (behind_s > 3600) is (hops_s[-1] < max(0, *hops_s))
    finally:
        await runtime.__aexit__(None, None, None)
