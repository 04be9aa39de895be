"""Several models, of which the first that can answer does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lichen import Agent
from lichen.agents.lanes.lane import TERMS
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.models.model import ScriptedModel
from lichen.agents.ways.chain import Chain
from lichen.agents.ways.ways import Ways
from lichen.core.ports.model import Delta, Deltas, Model, ModelError, ModelReply, ModelRequest
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.limits import Usage
from lichen.testing.clock import SimulatedClock
from lichen.testing.worlds import world
from tests.agents.ways.handle import Handle
from tests.agents.ways.remote import ACME, ASKED, Keys, Line, Remote, away, busy, ways


def reached(around: Ways, *models: Remote) -> list[Model]:
    return [around.reach(model, Keys(), ACME) for model in models]


def remotes(*scripts: Sequence[Line]) -> list[Remote]:
    return [Remote(lines, name=f"far:{number}") for number, lines in enumerate(scripts, start=1)]


@pytest.mark.req("GOA-65.11")
async def test_the_first_model_that_can_answer_does_and_the_others_are_not_asked() -> None:
    models, handle = remotes(["One."], ["Two."]), Handle()
    reply = await handle(Chain(*models), ASKED)
    assert (reply.text, handle.names) == ("One.", ["far:1"])


@pytest.mark.req("GOA-65.11")
@pytest.mark.parametrize(
    "code",
    [
        "model_auth",
        "model_key_missing",
        "model_rate_limited",
        "model_overloaded",
        "model_unavailable",
        "model_timed_out",
        "model_malformed",
        "model_request_invalid",
        "plugin_broken",
    ],
)
async def test_the_next_model_is_asked_where_another_one_may_answer(code: str) -> None:
    models, handle = remotes([ModelError("No.", code=code)], ["Two."]), Handle()
    assert (await handle(Chain(*models), ASKED)).text == "Two."
    assert handle.outcomes == [code, "ok"]


@pytest.mark.req("GOA-65.11")
@pytest.mark.parametrize("code", ["model_context_too_long", "model_refused", "model_budget_exceeded"])
async def test_what_no_other_model_may_answer_is_not_asked_of_one(code: str) -> None:
    models, handle = remotes([ModelError("No.", code=code)], ["Two."]), Handle()
    with pytest.raises(ModelError) as failure:
        await handle(Chain(*models), ASKED)
    assert (failure.value.code, handle.names) == (code, ["far:1"])


@pytest.mark.req("GOA-65.12")
async def test_a_model_that_policy_forbids_is_followed_by_the_next() -> None:
    models, handle = remotes(["One."], ["Two."]), Handle(forbidden={"far:1"})
    assert (await handle(Chain(*models), ASKED)).text == "Two."
    with pytest.raises(Denied):
        await Handle(forbidden={"far:1", "far:2"})(Chain(*models), ASKED)


@pytest.mark.req("GOA-65.11")
async def test_a_model_that_is_left_alone_is_passed_over_at_once() -> None:
    with SimulatedClock() as clock:
        around = ways(clock)
        models = remotes([away()], ["Two."])
        first, second = reached(around, *models)
        for _ in range(TERMS.failures):
            with pytest.raises(ModelError):
                await Handle()(around.reach(models[0], Keys(), ACME), ModelRequest("", (), time_s=0.1))
        assert (await Handle()(Chain(first, second), ASKED)).text == "Two."
        assert asyncio.get_running_loop().time() == 0.0
        assert len(models[0].asked_s) == TERMS.failures


@pytest.mark.req("GOA-65.13")
async def test_when_all_have_failed_the_one_that_may_come_back_is_waited_for() -> None:
    with SimulatedClock() as clock:
        models = remotes([ModelError("No.", code="model_auth")], [busy(30.0), "Two."], [busy(50.0)])
        handle = Handle()
        asked = asyncio.ensure_future(handle(Chain(*reached(ways(clock), *models)), ASKED))
        await clock.advance(60.0)
        assert (await asked).text == "Two."
        assert handle.names == ["far:1", "far:2", "far:3", "far:2"]
        assert models[1].asked_s == [0.0, 30.0]


@pytest.mark.req("GOA-65.13")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.one_of(st.floats(0.1, 200.0), st.just("said"), st.floats(0.0, 90.0).map(busy), st.builds(away)),
            min_size=1,
            max_size=4,
        ),
        min_size=2,
        max_size=4,
    ),
    st.floats(0.5, 120.0),
)
async def test_all_models_together_never_take_longer_than_they_may(scripts: list[list[Line]], time_s: float) -> None:
    with SimulatedClock() as clock:
        models, loop, ended_s = remotes(*scripts), asyncio.get_running_loop(), list[float]()
        chain = Chain(*reached(ways(clock), *models))
        asked = asyncio.ensure_future(Handle()(chain, ModelRequest("", (), time_s=time_s)))
        asked.add_done_callback(lambda _: ended_s.append(loop.time()))
        await clock.advance(time_s + 1.0)
        await asyncio.gather(asked, return_exceptions=True)
        assert ended_s[0] <= time_s + 1e-6
        assert not any(model.in_flight for model in models)


@pytest.mark.req("GOA-65.13")
@pytest.mark.parametrize(("time_s", "first_s", "second_s"), [(300.0, 285.0, 300.0), (20.0, 10.0, 20.0)])
async def test_a_model_has_the_time_that_is_left_less_some_for_those_after_it(
    time_s: float, first_s: float, second_s: float
) -> None:
    with SimulatedClock():
        handle = Handle()
        await handle(Chain(*remotes([away()], ["Two."])), ModelRequest("", (), time_s=time_s))
        assert [asked.time_s for _, asked in handle.asked] == [first_s, second_s]


@pytest.mark.req("GOA-65.9")
async def test_pieces_of_a_model_that_failed_are_taken_back_before_the_next_one_speaks() -> None:
    async def breaks(deltas: Deltas | None) -> ModelReply:
        assert deltas is not None
        deltas(Delta("On"))
        raise away()

    seen = list[Delta]()
    await Handle()(Chain(*remotes([breaks], ["Two."])), ASKED, seen.append)
    assert seen == [Delta("On"), Delta("", "again"), Delta("Two.")]


POLICY = """
permit (principal, action, resource);
@reason("Not this model.")
forbid (principal, action == Action::"model.invoke", resource == Model::"scripted:first");
"""


@pytest.mark.req("GOA-65.12")
async def test_each_model_of_a_planner_is_asked_of_policy_and_billed_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "policy.cedar").write_text(POLICY)
    paid = ModelError("Cut.", code="model_malformed", usage=Usage(7, 1))
    first = ScriptedModel(["First."], name="scripted:first")
    second = ScriptedModel([paid], name="scripted:second")
    third = ScriptedModel([ModelReply("Third.", usage=Usage(9, 2))], name="scripted:third")
    planner = LLMPlanner([first, second, third])
    async with world(agents=[Agent("shop.chain", planner=planner)], policies=tmp_path) as shop:
        talk = await shop.talk("customer-7")
        assert (await talk.say("Who?")).text == "Third."
        planned = next(record for record in shop.records() if record.type == "planned")
        asked = cast("list[dict[str, Any]]", planned.control["requests"])
        assert [(one["model"], one["outcome"], one["usage"]["input_tokens"]) for one in asked] == [
            ("scripted:second", "model_malformed", 7),
            ("scripted:third", "ok", 9),
        ]
        assert any(record.type == "refused" for record in shop.records())
    assert planner.models == ("scripted:first", "scripted:second", "scripted:third")
    assert planner.digest != LLMPlanner([second, third]).digest
    assert not first.requests


@pytest.mark.parametrize("count", [0, 9])
def test_a_chain_of_none_or_of_very_many_is_refused(count: int) -> None:
    with pytest.raises(Invalid):
        Chain(*["echo:"] * count)


async def test_a_chain_answers_nothing_without_a_handle() -> None:
    with pytest.raises(ModelError) as failure:
        await Chain("echo:", "echo:").generate(ASKED)
    assert failure.value.code == "model_unasked"
