"""Where a customer waits, models that fail are tried again for so long and no longer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lichen import Agent
from lichen.agents import Compress
from lichen.agents.lanes.lane import TERMS
from lichen.agents.llm.llm import LLMPlanner
from lichen.core.ports.model import KINDS, Connection, ModelError, ModelRequest
from lichen.engine.ports import PATIENCE_S
from lichen.testing.clock import SimulatedClock
from lichen.testing.worlds import World, project_world, world
from tests.agents.ways.remote import ACME, Keys, Line, Remote, away, busy, ways

WAITING = ModelRequest("Help.", (), patience_s=15.0)


def slow(code: str, seconds: float) -> Line:
    """A try that fails after a while."""

    async def fails(_: object) -> Any:
        await asyncio.sleep(seconds)
        raise ModelError("It failed.", code=code)

    return fails


def now_s(shop: World) -> float:
    return shop.clock.now_us() / 1e6


def requests(shop: World) -> list[tuple[str, str, int]]:
    """Every request to a model that stands in the log: which one, how it ended, how often it was tried."""
    planned = [record.control for record in shop.records() if record.type == "planned"]
    asked = [each for control in planned for each in cast("list[dict[str, Any]]", control.get("requests", []))]
    return [(each["model"], each["outcome"], each.get("tries", 1)) for each in asked]


@pytest.mark.req("GOA-65.23")
async def test_a_customer_whose_model_fails_all_the_time_is_told_within_seconds() -> None:
    model = Remote([away()])
    async with world(agents=[Agent("shop.far", planner=LLMPlanner(model))]) as shop:
        talk, began_s = await shop.talk("customer-7"), now_s(shop)
        reply = await talk.say("Where?")
        assert reply.text == KINDS["model_unavailable"].public
        assert now_s(shop) - began_s < PATIENCE_S
        assert len(model.asked_s) == TERMS.failures
        began_s = now_s(shop)
        assert (await talk.say("Where?")).text == reply.text
        assert now_s(shop) - began_s < 1.0
        assert len(model.asked_s) == TERMS.failures


@pytest.mark.req("GOA-65.23")
async def test_a_customer_waits_no_longer_for_a_model_that_takes_its_time_to_fail() -> None:
    model = Remote([slow("model_unavailable", 4.0)])
    async with world(agents=[Agent("shop.far", planner=LLMPlanner(model))]) as shop:
        talk, began_s = await shop.talk("customer-7"), now_s(shop)
        assert (await talk.say("Where?")).text == KINDS["model_unavailable"].public
        assert now_s(shop) - began_s < PATIENCE_S + 4.0
        assert len(model.asked_s) == 4


@pytest.mark.req("GOA-65.23")
async def test_a_run_that_no_customer_waits_for_is_there_when_its_model_is_again() -> None:
    model = Remote([away()] * (TERMS.failures + 1) + ["Here."])
    async with world(agents=[Agent("shop.far", planner=LLMPlanner(model))]) as shop:
        began_s = now_s(shop)
        outcome = await shop.result(await shop.start("shop.far", "Where?"))
        assert outcome.answer == "Here."
        assert now_s(shop) - began_s > 2 * TERMS.open_s


@pytest.mark.req("GOA-65.23")
async def test_a_short_failure_is_no_reason_to_give_up() -> None:
    model = Remote([away(), busy(8.0), "Here."])
    async with world(agents=[Agent("shop.far", planner=LLMPlanner(model))]) as shop:
        assert (await (await shop.talk("customer-7")).say("Where?")).text == "Here."


@pytest.mark.req("GOA-65.24")
async def test_a_run_says_until_when_its_provider_wants_no_request() -> None:
    model = Remote([busy(250.0)])
    async with world(agents=[Agent("shop.far", planner=LLMPlanner(model))]) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("Where?")
        await talk.say("Where?")
        assert len(model.asked_s) == 1
        assert "wants no request until 08:57:30 UTC, 250 s from now" in " ".join(map(shop.explain, shop.runs()))


@pytest.mark.req("GOA-65.23")
async def test_the_next_model_of_a_chain_is_asked_at_once_where_the_first_is_left_alone() -> None:
    first, second = Remote([away()], name="far:1"), Remote(["Two."], name="far:2")
    async with world(agents=[Agent("shop.far", planner=LLMPlanner([first, second]))]) as shop:
        talk = await shop.talk("customer-7")
        for _ in range(2):
            assert (await talk.say("Where?")).text == "Two."
        began_s = now_s(shop)
        assert (await talk.say("Where?")).text == "Two."
        assert now_s(shop) == began_s
        assert len(first.asked_s) == TERMS.failures


@pytest.mark.req("GOA-57.10")
async def test_a_chat_goes_on_at_once_where_the_model_that_sums_up_is_left_alone_and_its_record_says_so() -> None:
    small, model = Remote([away()], name="far:small"), Remote(["Fine."], name="far:large")
    planner = LLMPlanner(model, compress=Compress(small, after_turns=1, keep_turns=0))
    async with world(agents=[Agent("shop.far", planner=planner)]) as shop:
        talk, began_s = await shop.talk("customer-7"), now_s(shop)
        for _ in range(5):
            assert (await talk.say("Where?")).text == "Fine."
        assert len(small.asked_s) == TERMS.failures
        assert now_s(shop) - began_s < PATIENCE_S
        began_s = now_s(shop)
        await talk.say("Where?")
        assert now_s(shop) == began_s
        assert requests(shop)[-2:] == [("far:small", "model_unavailable", 0), ("far:large", "ok", 1)]


@pytest.mark.req("GOA-57.10")
async def test_a_summary_that_takes_too_long_is_gone_without() -> None:
    small, model = Remote([1_000.0], name="far:small"), Remote(["Fine."], name="far:large")
    planner = LLMPlanner(model, compress=Compress(small, after_turns=1, keep_turns=0, within_s=3.0))
    async with world(agents=[Agent("shop.far", planner=planner)]) as shop:
        talk = await shop.talk("customer-7")
        for _ in range(2):
            await talk.say("Where?")
        began_s = now_s(shop)
        assert (await talk.say("Where?")).text == "Fine."
        assert now_s(shop) - began_s == pytest.approx(3.0)


@pytest.mark.req("GOA-65.23")
async def test_a_project_says_how_long_its_customers_wait(tmp_path: Path) -> None:
    (tmp_path / "lichen.toml").write_text(
        '[lichen]\nagents = ["shop.py:shop"]\n[models]\npatience_s = 40\n[tenants.acme]\n'
    )
    (tmp_path / "shop.py").write_text(
        "from lichen import Agent\nfrom lichen.agents import LLMPlanner\nfrom tests.agents.ways.remote import *\n"
        'shop = Agent("shop.far", planner=LLMPlanner(Remote([busy(30.0), "Here."])))\n'
    )
    async with project_world(tmp_path / "lichen.toml") as shop:
        assert (await (await shop.talk("customer-7")).say("Where?")).text == "Here."


@pytest.mark.req("GOA-65.23")
async def test_somebody_else_tries_whether_a_model_is_back_and_who_waits_hears_of_it() -> None:
    with SimulatedClock() as clock:
        model, around = Remote([away()] * TERMS.failures + [2.0]), ways(clock)
        keys = Keys(Connection(identity="key-1", tries=20))
        asked = asyncio.ensure_future(around.reach(model, keys, ACME).generate(WAITING))
        await clock.advance(20.0)
        with pytest.raises(ModelError) as failure:
            await asked
        assert (failure.value.is_left_alone, failure.value.retryable) == (True, False)
        await clock.advance(TERMS.open_s)
        crowd = [asyncio.ensure_future(around.reach(model, keys, ACME).generate(WAITING)) for _ in range(4)]
        await clock.advance(15.0)
        assert {(await one).text for one in crowd} == {"late"}


@pytest.mark.req("GOA-65.23")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.builds(slow, st.sampled_from(["model_unavailable", "model_malformed"]), st.floats(0.0, 9.0)),
            st.floats(0.0, 90.0).map(busy),
            st.just(busy()),
        ),
        min_size=1,
        max_size=8,
    ),
    st.floats(0.0, 60.0),
    st.booleans(),
)
async def test_no_further_try_begins_once_patience_is_over(lines: list[Line], patience_s: float, patient: bool) -> None:
    with SimulatedClock() as clock:
        model, keys = Remote(lines), Keys(Connection(identity="key-1", tries=20))
        request = ModelRequest("Help.", (), patience_s=patience_s, is_patient=patient)
        asked = asyncio.ensure_future(ways(clock).reach(model, keys, ACME).generate(request))
        await clock.advance(400.0)
        with pytest.raises(ModelError):
            await asked
        assert all(each_s <= patience_s for each_s in model.asked_s[1:])
