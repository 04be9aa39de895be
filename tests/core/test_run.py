"""What a run owes, folded from its records: planning, calls, waits, crashes, cancel and pause."""

from __future__ import annotations

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, run, streams
from lichen.core.ports.call import Effects, Outcome
from lichen.core.words.content import Ref
from lichen.core.words.ids import CallId, RunId, TurnId, WaitId
from lichen.core.words.label import Label
from lichen.core.words.limits import Limits, Usage
from tests.core.story import START_US, Story

# -- planning ----------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-15.1", "GOA-49.1")
def test_a_run_plans_acts_and_plans_again_until_it_answers() -> None:
    story = Story()
    assert story.owed == ["plan/0/1"]
    story.plan("none", "none")
    assert story.owed == ["check/c1/1", "check/c2/1"]
    story.allow("c1").allow("c2")
    assert story.owed == ["exec/c1/1", "exec/c2/1"]
    story.finish(id="c2").finish(id="c1")
    assert story.owed == ["plan/1/1"]
    assert [r.call for r in story.state.results] == ["c2", "c1"]
    story.answer()
    assert story.owed == ["finish"]
    story.end()
    assert story.owed == []
    assert story.last == e.RunFinished("completed", "", Usage(), 2)
    assert streams.standing(story.state) == "finished"


def test_a_run_without_records_owes_nothing() -> None:
    assert run.decide(run.start_state(RunId("run-1"))) == ()


def test_a_record_of_another_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="turn_opened record does not belong in a run"):
        Story().add(e.TurnOpened(TurnId("t1"), RunId("run-1"), ()))


@pytest.mark.req("GOA-15.2")
def test_what_the_planner_was_told_is_told_once() -> None:
    story = Story().plan("none").ask().do("ok")
    assert story.owed == []  # the question is still open
    story.close("answered")
    assert len(story.state.results) == len(story.state.answers) == 1
    story.plan("none")
    assert (story.state.results, story.state.answers, story.state.inputs) == ((), (), ())


def test_a_plan_that_failed_is_asked_for_again_under_another_id() -> None:
    story = Story().fail_plan()
    assert story.owed == ["plan/0/2"]
    assert story.state.plan_failures == 1
    story.plan("none").do()
    assert (story.owed, story.state.plan_failures) == (["plan/1/1"], 0)


def test_a_final_failure_of_the_planner_fails_the_run() -> None:
    story = Story().fail_plan(is_final=True)
    assert story.owed == ["finish"]
    assert story.end().last == e.RunFinished("failed", "planner_error")


def test_a_final_failure_of_the_planner_ends_what_is_still_open() -> None:
    story = Story().plan("once", "once", resume="each").do().fail_plan(is_final=True)
    assert story.owed == ["finish"]
    assert story.last == e.CallFinished(CallId("c2"), 1, "cancelled", "run_failed")


@pytest.mark.req("GOA-15.2")
def test_a_result_that_comes_while_the_planner_thinks_is_not_lost() -> None:
    story = Story().plan("none", "none", resume="each").do("ok", "c1")
    story.add(e.PlanStarted(1, 1, "resume"))
    assert story.owed == ["check/c2/1", "plan/1/1"]
    story.do("ok", "c2")
    assert story.owed == ["plan/1/2"]
    assert [r.call for r in story.state.results] == ["c1", "c2"]


@pytest.mark.req("LIC-15.6")
def test_a_message_that_joins_while_the_planner_thinks_is_seen_by_the_next_attempt() -> None:
    story = Story().add(e.PlanStarted(0, 1, "start"), e.Signal("input", "m2"))
    assert story.owed == ["plan/0/2"]
    assert len(story.state.inputs) == 2
    assert story.state.plan_failures == 0


def test_a_plan_that_nobody_wants_any_more_only_costs() -> None:
    story = Story().add(e.Signal("input", "m2"))
    late = e.Planned(0, 1, "start", has_answer=True, usage=Usage(output_tokens=7))
    assert moves.admit(story.state, late, (), {}) == ()
    story.add(e.Planned(0, 1, "start", error="superseded", is_final=True, usage=Usage(output_tokens=7)))
    assert (story.owed, story.state.failure, story.state.usage.tokens) == (["plan/0/2"], "", 7)


def test_planner_state_and_answer_are_kept_by_reference() -> None:
    story = Story().add(e.Planned(0, 1, "start", has_answer=True, has_state=True))
    assert story.state.planner_state == Ref(1, "state")
    assert story.state.answer == Ref(1, "answer")


def test_the_label_of_a_run_only_grows() -> None:
    story = Story().plan("none").allow()
    story.add(e.CallFinished(CallId("c1"), 1, "ok"), label=Label(("third_party:web.fetch",), 1))
    story.add(e.PlanStarted(1, 1, "resume"), label=Label(("customer:customer_1",), 2))
    assert story.state.label == Label(("customer:customer_1", "third_party:web.fetch"), 2)
    assert story.state.label.is_tainted


# -- calls -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-27.1")
def test_a_call_that_cannot_be_made_fails_and_its_siblings_go_on() -> None:
    story = Story().plan("none", "none", refused=1)
    assert story.owed == ["check/c2/1"]
    story.do("ok", "c2")
    assert [(r.call, r.outcome, r.code) for r in story.state.results] == [
        ("c1", "failed", "arguments_invalid"),
        ("c2", "ok", ""),
    ]


@pytest.mark.req("GOA-26.1")
@pytest.mark.parametrize("outcome", ["failed", "denied", "timed_out"])
def test_a_call_that_did_not_succeed_ends_the_call_and_not_the_run(outcome: Outcome) -> None:
    story = Story().plan("none").allow().finish(outcome, code="why")
    assert story.owed == ["plan/1/1"]
    assert [(r.outcome, r.code, r.planned_n) for r in story.state.results] == [(outcome, "why", 1)]


def test_a_retry_waits_for_its_time_and_runs_under_the_next_attempt() -> None:
    story = Story().plan("once").allow().start()
    story.add(e.CallProgressed(CallId("c1"), 1, "retry", "busy", story.now_us + 5))
    assert story.owed == []
    assert story.state.timers["retry/c1/2"] == START_US + 5
    assert story.fire("retry/c1/2").owed == ["check/c1/2"]
    assert (story.allow().owed, story.call().attempt) == (["exec/c1/2"], 2)
    assert "retry/c1/2" not in story.state.timers


def test_a_retry_that_is_cancelled_leaves_no_timer() -> None:
    story = Story().plan("once").allow().start()
    story.add(e.CallProgressed(CallId("c1"), 1, "retry", "busy", story.now_us + 5)).cancel()
    assert [timer for timer in story.state.timers if timer.startswith("retry/")] == []


@pytest.mark.req("LIC-7.3")
def test_a_once_call_whose_process_died_is_settled_before_anything_else() -> None:
    story = Story().plan("once").allow().start().crash()
    assert story.owed == ["settle/c1/1"]
    story.crash()
    assert story.owed == ["settle/c1/2"]
    assert story.add(e.CallProgressed(CallId("c1"), 1, "not_done")).owed == ["check/c1/2"]


@pytest.mark.req("LIC-7.3")
def test_every_time_a_call_is_in_doubt_is_settled_under_its_own_id() -> None:
    story = Story().plan("once").allow().start().crash()
    story.add(e.CallProgressed(CallId("c1"), 1, "not_done")).allow().start()
    story.add(e.CallProgressed(CallId("c1"), 2, "in_doubt", "timeout"))
    assert (story.owed, story.call().doubt) == (["settle/c1/2"], "timeout")


@pytest.mark.req("LIC-7.4")
@pytest.mark.parametrize(("effects", "attempt"), [("idempotent", 2), ("none", 1)])
def test_a_call_that_may_be_repeated_is_decided_and_run_again_after_a_crash(effects: Effects, attempt: int) -> None:
    story = Story().plan(effects).allow()
    if effects == "idempotent":
        story.start()
    assert story.crash().owed == ["check/c1/2"]
    assert (story.allow().owed, story.call().attempt) == (["exec/c1/2"], attempt)


@pytest.mark.req("LIC-12.41")
def test_a_call_that_had_to_wait_for_a_place_is_decided_again() -> None:
    story = Story().plan("once").allow().add(e.CallProgressed(CallId("c1"), 1, "waited", check=1))
    assert story.owed == ["check/c1/2"]
    assert (story.allow().owed, story.call().attempt) == (["exec/c1/2"], 1)


@pytest.mark.req("LIC-6.1")
def test_an_unknown_outcome_is_no_end_and_waits_for_a_persons_word() -> None:
    story = Story().plan("once").allow().start().crash().lose()
    assert (story.owed, story.call().phase) == ([], "unknown")
    assert story.state.results == ()
    story.close("happened")
    assert story.last == e.CallFinished(CallId("c1"), 1, "ok", "reconciled")
    assert story.owed == ["plan/1/1"]


@pytest.mark.req("LIC-6.1")
def test_an_unknown_call_that_a_person_wants_tried_again_is_checked_again() -> None:
    story = Story().plan("once").allow().start().crash().lose().close("try_again")
    assert story.owed == ["check/c1/2"]
    assert story.allow().owed == ["exec/c1/2"]


@pytest.mark.req("LIC-6.1")
def test_an_unknown_call_of_a_cancelled_run_is_not_tried_again() -> None:
    story = Story().plan("once").allow().start().crash().lose().cancel().close("try_again")
    assert story.last == e.CallFinished(CallId("c1"), 1, "cancelled", "reconciled")
    assert story.owed == ["finish"]


@pytest.mark.req("LIC-6.1")
def test_a_call_that_turns_out_to_have_happened_closes_the_wait_about_it() -> None:
    story = Story().plan("once").allow().start().crash().lose().finish("ok")
    assert story.state.waits == {}
    assert story.owed == ["plan/1/1"]


@pytest.mark.req("LIC-6.1")
def test_an_unknown_outcome_does_not_become_known_by_waiting() -> None:
    story = Story().plan("once").allow().start().crash().lose()
    assert moves.close_wait(story.state, WaitId("w1"), "expired") == ()


# -- approvals ---------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-38.1")
def test_a_held_call_runs_only_after_approval_and_another_check() -> None:
    story = Story().plan("once").hold()
    assert (story.owed, story.call().phase) == ([], "held")
    story.close("approved")
    assert story.owed == ["check/c1/2"]
    (grant,) = story.call().grants
    assert (grant.role, grant.by, grant.digest) == ("supervisor", "operator_1", b"digest")
    assert story.allow().owed == ["exec/c1/2"]


@pytest.mark.req("GOA-38.2")
def test_a_denied_approval_is_a_result_for_the_planner() -> None:
    story = Story().plan("once").hold().close("denied")
    assert story.owed == ["plan/1/1"]
    assert [(r.outcome, r.code) for r in story.state.results] == [("denied", "approval_denied")]


@pytest.mark.req("GOA-38.2")
def test_an_approval_nobody_gave_in_time_is_a_denial() -> None:
    story = Story().plan("once").hold(expires_s=60).pass_time(60).fire("wait/w1")
    assert [(r.outcome, r.code) for r in story.state.results] == [("denied", "approval_expired")]
    assert story.owed == ["plan/1/1"]


# -- waits of the planner ----------------------------------------------------------------------------------------


@pytest.mark.req("GOA-39.1")
def test_a_question_to_the_customer_waits_and_its_answer_resumes_the_run() -> None:
    story = Story().plan(waits=1).ask()
    assert (story.owed, streams.standing(story.state)) == ([], "waiting")
    story.close("answered")
    assert story.owed == ["plan/1/1"]
    assert [(a.wait, a.outcome, a.n) for a in story.state.answers] == [("w1", "answered", 3)]


@pytest.mark.req("LIC-19.1")
def test_a_plan_that_only_keeps_what_it_has_is_followed_by_the_next_at_once() -> None:
    story = Story().plan()
    assert (story.owed, story.state.step) == (["plan/1/1"], 1)
    assert story.plan("none").owed == ["check/c1/1"]


@pytest.mark.req("GOA-39.1")
def test_all_that_a_plan_asked_for_must_be_there_before_the_next() -> None:
    story = Story().plan("none").ask().ask("external").do().close("answered", "w2")
    assert story.owed == []
    assert story.close("answered", "w1").owed == ["plan/1/1"]


@pytest.mark.req("GOA-39.2")
def test_a_question_that_expires_is_told_to_the_planner_or_fails_the_run() -> None:
    story = Story().plan(waits=1).ask(expires_s=5).fire("wait/w1")
    assert (story.owed, story.state.answers[0].outcome) == (["plan/1/1"], "expired")
    story = Story().plan(waits=1).ask(expires_s=5, on_expiry="deny").fire("wait/w1")
    assert (story.owed, story.state.failure) == (["finish"], "wait_expired")


@pytest.mark.req("GOA-39.2")
def test_an_expired_wait_that_fails_the_run_stops_what_had_not_started() -> None:
    story = Story().plan("once", "once").allow("c1").start("c1").ask(expires_s=5, on_expiry="deny").fire("wait/w1")
    assert story.owed == ["settle/c1/1"]
    assert story.keys[-2:] == ["call_progressed/c1/1/in_doubt", "call_finished/c2/1"]


def test_an_answer_that_was_given_is_not_undone_by_an_expiry() -> None:
    story = Story().plan("none", resume="each").ask(expires_s=5, on_expiry="deny").do().answer().fire("wait/w1")
    assert (story.state.failure, story.owed) == ("", ["finish"])


def test_a_wait_that_is_closed_already_is_left_alone() -> None:
    story = Story().plan().ask().close("answered")
    before = story.state
    story.add(e.WaitClosed(story.state.id, WaitId("w1"), "expired"))
    assert (story.state.due, story.state.answers) == (before.due, before.answers)


# -- cancel, pause, crash ----------------------------------------------------------------------------------------


@pytest.mark.req("GOA-45.1")
def test_a_cancel_ends_what_had_not_started_and_settles_what_had() -> None:
    story = Story().plan("once", "once", "idempotent", "none").allow("c1").start("c1").allow("c3").start("c3").cancel()
    assert story.owed == ["settle/c1/1"]
    assert [(r.call, r.outcome, r.code) for r in story.state.results] == [
        ("c2", "cancelled", "run_cancelled"),
        ("c3", "cancelled", "run_cancelled"),
        ("c4", "cancelled", "run_cancelled"),
    ]
    story.finish("ok", "c1")
    assert story.owed == ["finish"]
    assert story.end().last == e.RunFinished("cancelled", "requested", Usage(), 4)


@pytest.mark.req("GOA-45.2")
def test_cancelling_twice_or_too_late_changes_nothing() -> None:
    story = Story().cancel("first")
    assert moves.cancel(story.state, "second", "x2") == ()
    story.end()
    assert moves.cancel(story.state, "third", "x3") == ()
    assert story.last == e.RunFinished("cancelled", "first")


@pytest.mark.req("GOA-45.3")
def test_a_cancel_travels_to_the_child_and_waits_for_its_end() -> None:
    story = Story().plan("child").allow().start(lent=2).cancel()
    assert story.owed == ["child-cancel/c1/1"]
    story.add(e.CallProgressed(CallId("c1"), 1, "child_cancelled"))
    assert story.owed == []
    child = Story().cancel("parent_stopped").state
    story.add(*moves.child_ended(story.state, CallId("c1"), child, (), 5))
    assert story.last == e.CallFinished(CallId("c1"), 1, "cancelled", "parent_stopped", 5)
    assert story.owed == ["finish"]


def test_a_cancel_closes_every_wait_but_those_about_what_may_have_happened() -> None:
    story = Story().plan("once", "once").allow("c1").start("c1").hold("c2").crash().lose("c1").pause().ask().cancel()
    assert [wait.kind for wait in story.state.waits.values()] == ["reconcile"]


@pytest.mark.req("GOA-42.1")
def test_a_pause_lets_end_what_runs_and_starts_nothing_new() -> None:
    story = Story().plan("once", "once").allow("c1").start("c1").allow("c2").pause()
    assert story.owed == ["exec/c1/1"]
    story.finish("ok", "c1")
    assert story.owed == []
    assert story.close("resumed").owed == ["check/c2/2"]


@pytest.mark.req("GOA-42.1")
def test_a_pause_does_not_interrupt_a_planner_that_was_asked() -> None:
    assert Story().pause().owed == []
    assert Story().add(e.PlanStarted(0, 1, "start")).pause().owed == ["plan/0/1"]


@pytest.mark.req("GOA-42.2")
def test_time_stands_still_while_a_run_is_paused() -> None:
    story = Story(Limits(time_s=100)).pass_time(30).pause()
    assert "deadline" not in story.state.timers
    story.pass_time(5_000).crash().close("resumed")
    assert story.state.timers == {"deadline": story.now_us + 70_000_000}


def test_a_run_is_paused_once_and_not_after_its_end() -> None:
    story = Story().pause()
    assert moves.pause(story.state, "preempt", (), "") == ()
    assert moves.pause(story.cancel().end().state, "pause", (), "") == ()


@pytest.mark.req("GOA-42.3")
def test_every_pause_that_opens_is_closed_by_a_resume_or_by_the_end() -> None:
    story = Story().pause().close("resumed").pause().cancel().end()
    opened = [key.removeprefix("wait_opened/") for key in story.keys if key.startswith("wait_opened/")]
    closed = [key.removeprefix("wait_closed/") for key in story.keys if key.startswith("wait_closed/")]
    assert opened == closed == ["run-1/w1", "run-1/w2"]


def test_a_crash_while_the_planner_thinks_asks_it_again_under_another_id() -> None:
    story = Story().add(e.PlanStarted(0, 1, "start")).crash()
    assert (story.owed, story.state.plan_failures) == (["plan/0/2"], 0)
    story.add(e.PlanStarted(0, 2, "start"))
    assert len(set(story.keys)) == len(story.keys)


def test_a_crash_changes_nothing_for_a_run_that_only_waits() -> None:
    story = Story().plan("once").hold()
    before = story.state
    story.crash()
    assert (story.owed, story.state.waits, story.state.calls) == ([], before.waits, before.calls)


# -- children ----------------------------------------------------------------------------------------------------


def test_a_child_gives_back_what_it_did_not_use() -> None:
    story = Story(Limits(calls=10)).plan("child").allow().start(lent=5)
    assert story.state.calls_left == 4
    child = Story().plan("none", "none").do("ok", "c1").do("ok", "c2").answer().state
    story.add(*moves.child_ended(story.state, CallId("c1"), child, (), 0))
    assert (story.state.calls_used, story.owed) == (3, ["plan/1/1"])


def test_a_child_that_ends_after_its_call_changes_nothing() -> None:
    story = Story().plan("child")
    assert moves.child_ended(story.state, CallId("c1"), Story().state, (), 0) == ()
    assert moves.child_ended(story.state, CallId("c9"), Story().state, (), 0) == ()


# -- the fold ----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-1.1")
def test_the_stored_records_alone_give_the_state_and_what_is_owed() -> None:
    story = Story().plan("once", "none", "child").hold("c1").allow("c2").finish("ok", "c2").allow("c3")
    story.start("c3", lent=2).close("approved").allow("c1").start("c1").crash().pause()
    folded = run.start_state(RunId("run-1"))
    for event in story.events:
        stored = msgspec.msgpack.encode(event.control)
        control = msgspec.msgpack.decode(stored, type=e.TYPES[event.control.type])
        folded = run.evolve(folded, e.Event(event.n, event.ts_us, control))
    assert folded == story.state
    assert story.owed == [o.id for o in run.decide(folded)] == ["settle/c1/1"]
