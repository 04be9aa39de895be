"""Policies about how much a customer may do in a day: before a run is started, and before a model is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen import Agent, Runtime
from lichen.agents import LLMPlanner, ScriptedModel
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.scope import Actor, Customer
from lichen.gate.simulation import Case
from tests.runtime.world import CUSTOMER, OPS, SCOPE

OTHER = Customer("customer-8")
RUNS = """
@id("two-a-day") @public("That is enough for today.")
forbid (principal, action == Action::"run.start", resource) when { context.meters.customer_runs >= 2 };
"""
TOKENS = """
@id("little")
forbid (principal, action == Action::"model.invoke", resource) when { context.meters.customer_tokens > 0 };
"""


def runtime_in(home: Path, policy: str) -> Runtime:
    (home / "policies").mkdir(exist_ok=True)
    (home / "policies" / "day.cedar").write_text(policy)
    agent = Agent("shop.clerk", planner=LLMPlanner(ScriptedModel(["Good day."] * 9)))
    return Runtime.open(home, agents=[agent], policies=home / "policies")


async def run(runtime: Runtime, who: Actor) -> str:
    started = await runtime.runs.start(SCOPE, "shop.clerk", "Hello.", who)
    await runtime.runs.rest(SCOPE, started, who)
    return runtime.runs.outcome(SCOPE, started, who).status


@pytest.mark.req("GOA-28.8")
async def test_a_customer_begins_as_many_runs_in_a_day_as_policy_lets_them_also_after_a_restart(tmp_path: Path) -> None:
    async with runtime_in(tmp_path, RUNS) as runtime:
        assert [await run(runtime, CUSTOMER), await run(runtime, CUSTOMER)] == ["completed"] * 2
    async with runtime_in(tmp_path, RUNS) as runtime:
        with pytest.raises(Denied, match="enough for today"):
            await run(runtime, CUSTOMER)
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        assert (await (await session.say("Hello?")).result()).text == "That is enough for today."
        assert await run(runtime, OTHER) == "completed"


@pytest.mark.req("GOA-28.8")
async def test_a_model_is_asked_for_a_customer_as_long_as_policy_lets_it(tmp_path: Path) -> None:
    async with runtime_in(tmp_path, TOKENS) as runtime:
        assert [await run(runtime, who) for who in (CUSTOMER, CUSTOMER, OTHER)] == ["completed", "failed", "completed"]
        case = Case("shop.clerk", "", CUSTOMER, model="scripted:", meters={"customer_tokens": 1})
        assert (await runtime.policies.why(SCOPE, case, OPS)).verdict.outcome == "deny"


def limited(limits: str) -> str:
    scope = 'principal is Customer, action == Action::"run.start", resource'
    return f'@id("trial") @public("That is enough for today.") @limit("{limits}") permit ({scope});'


@pytest.mark.req("GOA-28.9")
async def test_a_permit_says_how_many_runs_may_be_begun_also_after_a_restart(tmp_path: Path) -> None:
    async with runtime_in(tmp_path, limited("customer_runs <= 2")) as runtime:
        assert [await run(runtime, CUSTOMER), await run(runtime, CUSTOMER)] == ["completed"] * 2
    async with runtime_in(tmp_path, limited("customer_runs <= 2")) as runtime:
        with pytest.raises(Denied, match="enough for today"):
            await run(runtime, CUSTOMER)
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        assert (await (await session.say("Hello?")).result()).text == "That is enough for today."
        assert await run(runtime, OTHER) == "completed"


@pytest.mark.req("GOA-28.9")
async def test_a_permit_says_up_to_which_use_of_models_runs_may_be_begun(tmp_path: Path) -> None:
    async with runtime_in(tmp_path, limited("customer_tokens <= 1")) as runtime:
        assert await run(runtime, CUSTOMER) == "completed"
        with pytest.raises(Denied, match="enough for today"):
            await run(runtime, CUSTOMER)


@pytest.mark.req("GOA-28.9")
@pytest.mark.parametrize(
    ("meters", "outcome", "reason"),
    [
        ({}, "allow", ""),
        ({"customer_runs": 1, "day_tokens": 9}, "allow", ""),
        ({"customer_runs": 2}, "deny", "limit: meter customer_runs is at 2, this adds 1, and the limit is 2."),
        ({"day_tokens": 10}, "deny", "limit: meter day_tokens is at 10 and the limit is 10."),
    ],
)
async def test_a_simulation_says_whether_a_run_may_be_begun_and_why(
    meters: dict[str, int], outcome: str, reason: str, tmp_path: Path
) -> None:
    async with runtime_in(tmp_path, limited("customer_runs <= 2; day_tokens <= 10")) as runtime:
        found = await runtime.policies.why(SCOPE, Case("shop.clerk", "", CUSTOMER, meters=meters), OPS)
        assert found.verdict.outcome == outcome
        assert reason in found.verdict.operator_reason
        assert {"trial", "base.talk"} <= {each.id for each in found.considered}


@pytest.mark.req("GOA-28.9")
@pytest.mark.parametrize("condition", ['@limit("run_tokens <= 5")', '@limit("nothing <= 5")', '@approval("operator")'])
async def test_what_a_start_of_a_run_is_not_held_to_stops_the_load(condition: str, tmp_path: Path) -> None:
    async with runtime_in(tmp_path, RUNS) as runtime:
        policy = f'{condition} permit (principal, action == Action::"run.start", resource);'
        (tmp_path / "policies" / "day.cedar").write_text(policy)
        with pytest.raises(Invalid) as caught:
            await runtime.policies.reload(SCOPE, OPS)
        assert caught.value.code == "policy_annotation"


@pytest.mark.req("GOA-28.8")
@pytest.mark.parametrize("meter", ["run_tokens", "customer_calls"])
async def test_a_meter_that_is_not_there_before_a_run_stops_the_load(tmp_path: Path, meter: str) -> None:
    policy = f'forbid (principal, action == Action::"run.start", resource) when {{ context.meters.{meter} > 2 }};'
    async with runtime_in(tmp_path, RUNS) as runtime:
        (tmp_path / "policies" / "day.cedar").write_text(policy)
        with pytest.raises(Invalid):
            await runtime.policies.reload(SCOPE, OPS)
