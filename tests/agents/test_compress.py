from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.llm.compress import Compress
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.model import ModelError
from lichen.core.ports.plan import History, Message, Plan, Summary
from lichen.core.words.errors import Invalid
from lichen.testing.models import plan_input


def talk(turns: int, words: str = "x") -> History:
    """A conversation of so many turns, whose records have even numbers."""
    said = [Message(role, f"{role} {i} {words}") for i in range(turns) for role in ("customer", "agent")]
    return History(tuple(said), positions=tuple(2 * i for i in range(len(said))))


def planner(*replies: Any, **given: Any) -> tuple[LLMPlanner, ScriptedModel, ScriptedModel]:
    small, model = ScriptedModel(replies, name="scripted:small"), ScriptedModel(["done"])
    return LLMPlanner(model, compress=Compress(small, **given)), small, model


@pytest.mark.req("GOA-57.2")
async def test_turns_over_the_bound_become_a_summary_and_the_newest_stay() -> None:
    asked, small, model = planner("They asked a lot.", after_turns=3, keep_turns=2)
    plan = await asked.plan(plan_input("Hi", history=talk(5)))
    assert plan.summary == Summary("They asked a lot.", 10)
    assert plan == Plan(summary=plan.summary, state=plan.state)
    assert model.requests == []
    [told] = small.requests[0].messages
    assert "Customer: customer 2 x" in told.text
    assert "customer 3" not in told.text
    assert small.requests[0].tools == ()


@pytest.mark.req("GOA-57.2")
async def test_a_summary_is_read_in_the_place_of_what_it_stands_for_and_goes_into_the_next() -> None:
    rest = talk(2)
    before = History(rest.messages, positions=(20, 22, 24, 26), summary=Summary("They asked a lot.", 10))
    asked, small, model = planner("All of it.", after_turns=3, keep_turns=1)
    assert (await asked.plan(plan_input("Hi", history=before))).answer == "done"
    first = model.requests[0].messages[0]
    assert (first.role, first.text) == ("system", "[Conversation summary] They asked a lot.")
    assert small.requests == []
    tokens, small, _ = planner("All of it.", after_tokens=20, keep_turns=1)
    assert (await tokens.plan(plan_input("Hi", history=before))).summary == Summary("All of it.", 22)
    assert "Summary of what was before: They asked a lot." in small.requests[0].messages[0].text


@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 5))
async def test_what_is_summed_up_are_whole_turns_and_never_the_newest(turns: int, after: int, keep: int) -> None:
    if keep >= after:
        return
    asked, _, _ = planner("short", after_turns=after, keep_turns=keep)
    plan = await asked.plan(plan_input("Hi", history=talk(turns)))
    if turns <= after:
        assert plan.summary is None
    else:
        assert plan.summary == Summary("short", 2 * (2 * (turns - keep) - 1))


@pytest.mark.req("GOA-57.3")
@pytest.mark.parametrize("reply", ["", ModelError("busy", code="model_overloaded")])
async def test_where_no_summary_is_to_be_had_the_model_reads_what_its_window_holds(reply: Any) -> None:
    asked, _, model = planner(reply, after_turns=2, keep_turns=1)
    assert (await asked.plan(plan_input("Hi", history=talk(5)))).answer == "done"
    assert len(model.requests[0].messages) == 11


async def test_nothing_is_summed_up_when_a_run_has_to_end() -> None:
    asked, small, _ = planner("short", after_turns=1, keep_turns=0)
    assert (await asked.plan(plan_input(history=talk(5), reason="finalize", limit="time"))).answer == "done"
    assert small.requests == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"after_turns": 0},
        {"after_tokens": 0},
        {"after_turns": 4, "keep_turns": 4},
        {"after_turns": 1, "keep_turns": -1},
    ],
)
def test_bounds_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        Compress("echo:", **wrong)
    assert caught.value.code == "planner_invalid"


def test_the_digest_of_a_planner_pins_how_it_sums_up() -> None:
    made = [
        LLMPlanner("echo:"),
        LLMPlanner("echo:", compress=Compress("echo:", after_turns=9)),
        LLMPlanner("echo:", compress=Compress("echo:", after_tokens=9)),
        LLMPlanner("echo:", compress=Compress("echo:", after_turns=9, instructions="Short.")),
    ]
    assert len({each.digest for each in made}) == 4
