"""What a run may use, and that it ends with an answer when it has used it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.call import Effects
from lichen.core.words.limits import Limits, Usage
from tests.core.story import START_US, Story

# -- calls -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-19.1", "GOA-19.2")
def test_a_batch_over_the_limit_is_denied_whole_and_the_run_finalizes() -> None:
    story = Story(Limits(calls=3)).plan("none", "none").do("ok", "c1").do("ok", "c2").plan("none", "none")
    assert [(r.call, r.outcome, r.code) for r in story.state.results] == [
        ("c3", "denied", "limit_calls"),
        ("c4", "denied", "limit_calls"),
    ]
    assert (story.state.calls_used, story.state.limit, story.state.due) == (2, "calls", "finalize")
    assert story.owed == ["plan/2/1"]
    story.answer().end()
    assert story.last == e.RunFinished("completed", "limit_calls", Usage(), 2)


@pytest.mark.req("GOA-19.1")
def test_a_batch_that_just_fits_is_made() -> None:
    story = Story(Limits(calls=2)).plan("none", "none")
    assert story.owed == ["check/c1/1", "check/c2/1"]
    assert story.state.calls_left == 0


@pytest.mark.req("GOA-19.2")
def test_in_a_batch_over_the_limit_a_call_that_could_not_be_made_keeps_its_own_reason() -> None:
    story = Story(Limits(calls=1)).plan("none", "none", refused=1)
    assert [r.code for r in story.state.results] == ["arguments_invalid", "limit_calls"]


def test_calls_that_cost_nothing_do_not_count() -> None:
    story = Story(Limits(calls=1)).plan("none", "none", cost=0).do("ok", "c1").do("ok", "c2").plan("none")
    assert story.owed == ["check/c3/1"]


def test_what_is_lent_to_a_child_is_not_there_for_others() -> None:
    story = Story(Limits(calls=4)).plan("child", resume="each").allow().start(lent=2)
    assert (story.state.calls_used, story.state.calls_left) == (3, 1)


def test_a_plan_with_more_calls_than_the_fan_out_is_denied_whole() -> None:
    story = Story(Limits(fan_out=2)).plan("none", "none", "none")
    assert (story.state.limit, {r.code for r in story.state.results}) == ("fan_out", {"limit_fan_out"})


@pytest.mark.req("LIC-24.1")
def test_tokens_of_failed_attempts_count_and_their_limit_ends_the_work() -> None:
    story = Story(Limits(tokens=10))
    story.add(e.Planned(0, 1, "start", usage=Usage(6, 3), error="model_error"))
    story.plan("none", usage=Usage(output_tokens=2))
    assert (story.state.usage.tokens, story.state.limit, story.owed) == (11, "tokens", ["plan/1/1"])


@pytest.mark.req("LIC-24.1")
def test_an_answer_is_taken_whatever_it_cost() -> None:
    story = Story(Limits(tokens=10)).plan(has_answer=True, usage=Usage(output_tokens=99))
    assert (story.state.limit, story.owed) == ("", ["finish"])


@pytest.mark.req("GOA-24.1")
def test_the_planner_is_told_to_finalize_and_by_which_limit_and_stays_within_one() -> None:
    story = Story(Limits(calls=1, failures=1)).plan("none", "none")
    assert (story.state.due, story.state.limit) == ("finalize", "calls")
    assert [key for key in story.keys if key.startswith("limit_reached")] == ["limit_reached/calls"]


@pytest.mark.req("GOA-24.1")
def test_a_limit_waits_for_calls_that_are_still_open() -> None:
    story = Story(Limits(calls=2)).plan("none", "none", resume="each").do("ok", "c1").plan("none")
    assert (story.state.limit, story.owed) == ("calls", ["check/c2/1"])
    story.do("ok", "c2")
    assert (story.state.due, story.owed) == ("finalize", ["plan/2/1"])


# -- failures ----------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-20.1")
def test_so_many_failed_steps_in_a_row_end_the_work() -> None:
    story = Story(Limits(failures=2)).plan("none", "none").do("failed", "c1").do("timed_out", "c2")
    assert (story.state.streak, story.state.due) == (1, "resume")
    story.plan("none").do("failed", "c3")
    assert (story.state.limit, story.state.due, story.owed) == ("failures", "finalize", ["plan/2/2"])


@pytest.mark.req("GOA-20.1")
def test_one_success_in_a_step_breaks_the_row() -> None:
    story = Story(Limits(failures=2)).plan("none").do("failed", "c1")
    story.plan("none", "none").do("ok", "c2").do("failed", "c3")
    assert story.state.streak == 0
    assert story.plan("none").do("failed", "c4").state.limit == ""


@pytest.mark.req("GOA-20.1")
@pytest.mark.parametrize("outcome", ["ok", "failed"])
def test_calls_that_cost_nothing_neither_make_nor_break_a_row(outcome: Any) -> None:
    story = Story(Limits(failures=2)).plan("none").do("failed", "c1").plan("none", cost=0).do(outcome, "c2")
    assert (story.state.streak, story.state.limit) == (1, "")


@pytest.mark.req("GOA-20.2")
def test_steps_whose_calls_could_not_be_made_count_too() -> None:
    story = Story(Limits(failures=2)).plan("none", "none", refused=2)
    assert story.state.streak == 1
    story.plan("none", refused=1)
    assert (story.state.limit, story.state.due) == ("failures", "finalize")


@pytest.mark.req("GOA-20.2")
def test_a_step_that_is_still_open_does_not_count_yet() -> None:
    story = Story(Limits(failures=1)).plan("none", "none", refused=1)
    assert (story.state.streak, story.state.limit) == (0, "")
    assert story.do("failed", "c2").state.limit == "failures"


# -- time --------------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-21.1")
def test_when_the_time_is_over_work_stops_and_the_planner_gets_the_grace_to_answer() -> None:
    story = Story(Limits(time_s=100, grace_s=10)).plan("none", "none", "once")
    story.allow("c1").allow("c3").start("c3")
    assert story.state.timers == {"deadline": START_US + 100_000_000}
    story.pass_time(100).fire("deadline")
    assert story.state.timers == {"grace": START_US + 110_000_000}
    assert [(r.call, r.outcome) for r in story.state.results] == [("c1", "cancelled"), ("c2", "cancelled")]
    assert story.owed == ["settle/c3/1"]
    story.finish("timed_out", "c3")
    assert (story.state.due, story.owed) == ("finalize", ["plan/1/1"])
    assert story.answer().end().last == e.RunFinished("completed", "limit_time", Usage(), 3)


@pytest.mark.req("GOA-21.1")
@pytest.mark.parametrize(("effects", "outcome"), [("idempotent", "timed_out"), ("none", "timed_out")])
def test_a_call_that_was_under_way_ends_as_timed_out(effects: Effects, outcome: str) -> None:
    story = Story().plan(effects).allow().start().fire("deadline")
    assert [r.outcome for r in story.state.results] == [outcome]


@pytest.mark.req("GOA-21.1")
def test_a_plan_in_flight_when_the_time_is_over_is_asked_for_anew_to_finalize() -> None:
    story = Story().add(e.PlanStarted(0, 1, "start")).fire("deadline")
    assert (story.owed, story.state.due) == (["plan/0/2"], "finalize")


@pytest.mark.req("GOA-21.2")
def test_when_the_grace_is_over_too_the_run_fails() -> None:
    story = Story().fire("deadline").fire("grace")
    assert (story.owed, story.state.timers) == (["finish"], {})
    assert story.end().last == e.RunFinished("failed", "grace_over")


@pytest.mark.req("GOA-21.2")
def test_an_answer_within_the_grace_stays_an_answer() -> None:
    story = Story().fire("deadline").answer().fire("grace")
    assert story.end().last == e.RunFinished("completed", "limit_time")


@pytest.mark.req("GOA-21.3")
def test_waiting_for_a_person_costs_no_time() -> None:
    story = Story(Limits(time_s=100)).pass_time(40).plan().ask().pass_time(9_999).close("answered")
    assert story.state.timers == {"deadline": story.now_us + 60_000_000}


@pytest.mark.req("GOA-21.3")
def test_time_stands_still_until_the_last_of_several_waits_is_closed() -> None:
    story = Story(Limits(time_s=100)).plan().ask().pass_time(10).pause().pass_time(10).close("answered", "w1")
    assert (story.state.timers, story.state.left_us) == ({}, 100_000_000)
    assert story.close("resumed", "w2").state.timers == {"deadline": story.now_us + 100_000_000}


@pytest.mark.req("GOA-21.3")
def test_a_wait_may_let_the_time_run() -> None:
    story = Story(Limits(time_s=100)).plan().ask(stops_budget=False).pass_time(100).fire("deadline")
    assert (story.state.limit, story.state.waits, story.state.due) == ("time", {}, "finalize")


@pytest.mark.req("GOA-21.3")
def test_a_limit_reached_while_time_stands_still_grants_its_grace_afterwards() -> None:
    story = Story(Limits(failures=1, grace_s=7)).plan("none").allow().pause().finish("failed")
    assert (story.state.limit, story.state.timers) == ("failures", {})
    assert story.pass_time(50).close("resumed").state.timers == {"grace": story.now_us + 7_000_000}


def test_a_timer_that_is_gone_does_nothing() -> None:
    story = Story().fire("deadline")
    assert moves.fire(story.state, "deadline") == ()
    assert moves.fire(story.cancel().end().state, "grace") == ()


# -- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [{"calls": 0}, {"failures": 0}, {"fan_out": 0}, {"tokens": 0}, {"depth": -1}, {"time_s": 0}, {"grace_s": -1}],
)
def test_limits_that_allow_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        Limits(**wrong)


USAGES = st.builds(Usage, *[st.integers(0, 1_000)] * 4)


@given(USAGES, USAGES, USAGES)
def test_usage_adds_up_in_any_order(a: Usage, b: Usage, c: Usage) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Usage() == a
    assert (a + b).tokens == a.tokens + b.tokens
