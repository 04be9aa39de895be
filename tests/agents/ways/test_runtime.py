"""Every model over a network is reached with patience, in any runtime and with nothing said about it."""

from __future__ import annotations

import pytest

from lichen import Agent
from lichen.agents.llm.llm import LLMPlanner
from lichen.core.words.limits import Limits
from lichen.testing.worlds import world
from tests.agents.ways.remote import Remote, away, busy


@pytest.mark.req("GOA-65.1")
async def test_a_run_is_answered_though_its_model_was_busy_and_away_for_a_while() -> None:
    model = Remote([busy(9.0), away(), "Here."])
    async with world(agents=[Agent("shop.far", planner=LLMPlanner(model))]) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("Where?")).text == "Here."
        assert len(model.asked_s) == 3
        assert model.asked_s[1] - model.asked_s[0] >= 9.0


@pytest.mark.req("GOA-65.8")
async def test_a_request_lasts_no_longer_than_its_run() -> None:
    model = Remote(["Here."])
    agent = Agent("shop.far", planner=LLMPlanner(model), limits=Limits(time_s=30.0))
    async with world(agents=[agent]) as shop:
        talk = await shop.talk("customer-7")
        await talk.say("Where?")
        assert model.requests[0].time_s <= 32.0
