"""What a mailbox takes, whose turn it is, and in which order messages leave."""

from __future__ import annotations

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders import mailbox, streams, talk
from lichen.core.deciders.mailbox import QUEUED_MAX, MailboxState, OpenTurn, Queued
from lichen.core.words.content import Content
from lichen.core.words.ids import AgentName, MessageId, RunId, SessionId, TurnId, WaitId

TEXT = Content("text", "customer_1", b"hello")
RUN = RunId("run-1")


class Box:
    """A mailbox told record by record."""

    def __init__(self, double_texting: e.DoubleTexting = "enqueue") -> None:
        self.state = mailbox.start_state(SessionId("ses-1"))
        self.add(e.MailboxOpened(AgentName("shop.support"), "customer_1", "web", "push", double_texting))

    @property
    def owed(self) -> list[str]:
        return [str(o.id) for o in mailbox.decide(self.state)]

    def add(self, *records: e.Control | e.Draft) -> Box:
        for record in records:
            control = record.control if isinstance(record, e.Draft) else record
            self.state = mailbox.evolve(self.state, e.Event(self.state.n, 1_000 * self.state.n, control))
        return self

    def receive(self) -> Box:
        """A message under its number, as what it would become."""
        message = MessageId(f"m{self.state.received + 1}")
        kind = mailbox.disposition(self.state)
        return self.add(e.MessageReceived(message, message, "queued" if kind == "interrupts" else kind))

    def open_turn(self, *messages: str) -> Box:
        turn = talk.next_turn(self.state)
        return self.add(e.TurnOpened(turn, RunId(f"run-{turn[1:]}"), tuple(MessageId(m) for m in messages)))

    def ask(self, wait: str, run: RunId = RUN) -> Box:
        return self.add(e.WaitOpened(run, WaitId(wait), "clarification"))

    def say(self, kind: str = "say", run: RunId = RUN) -> Box:
        return self.add(talk.queue(self.state, "answer" if kind == "answer" else "say", TEXT, run=run))

    def send(self, message: str, outcome: str | None = None, due_us: int = 0) -> Box:
        """An attempt at delivering and, if it ended, how."""
        out = self.state.outbox[MessageId(message)]
        if outcome is None:
            return self.add(e.DeliveryAttempted(out.message, out.attempt))
        return self.add(msgspec.convert([message, out.attempt, outcome, "", due_us], e.DeliverySettled))


# -- what comes in -----------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-15.1", "LIC-15.2")
def test_a_message_opens_a_turn_and_the_next_waits_for_its_own() -> None:
    box = Box().receive()
    assert box.owed == ["turn/1"]
    box.open_turn("m1").receive()
    assert (box.owed, box.state.turn, box.state.queued) == (
        [],
        OpenTurn(TurnId("t1"), RUN),
        (Queued(MessageId("m2"), 3, "customer", "customer_1"),),
    )
    box.add(*talk.close_turn(box.state, RUN, "answered"))
    assert box.owed == ["turn/2"]


def test_a_record_of_another_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="limit_reached record does not belong in a mailbox"):
        Box().add(e.LimitReached("time"))


@pytest.mark.req("LIC-15.3")
@pytest.mark.parametrize(
    ("rule", "becomes"),
    [("enqueue", "queued"), ("interrupt", "interrupts"), ("merge", "joined"), ("reject", "rejected")],
)
def test_who_writes_twice_is_treated_by_the_sessions_rule(rule: e.DoubleTexting, becomes: str) -> None:
    box = Box(rule)
    assert mailbox.disposition(box.state) == "queued"
    assert mailbox.disposition(box.receive().open_turn("m1").state) == becomes


@pytest.mark.req("LIC-15.4")
def test_a_question_takes_the_next_message_and_the_newest_question_comes_first() -> None:
    box = Box("reject").receive().open_turn("m1").ask("w1").ask("w2")
    assert mailbox.disposition(box.state) == "answered"
    assert [q.wait for q in box.state.questions] == ["w1", "w2"]
    assert not box.state.is_owing_customer
    box.add(e.WaitClosed(RUN, WaitId("w2"), "answered")).add(e.WaitClosed(RUN, WaitId("w1"), "cancelled"))
    assert (mailbox.disposition(box.state), box.state.is_owing_customer) == ("rejected", True)


@pytest.mark.req("LIC-15.7")
@pytest.mark.parametrize("rule", ["enqueue", "interrupt", "merge", "reject"])
def test_a_full_inbox_refuses_whatever_the_rule(rule: e.DoubleTexting) -> None:
    waiting = tuple(Queued(MessageId(f"m{i}"), i) for i in range(QUEUED_MAX))
    box = Box(rule).receive().open_turn("m1")
    box.state = msgspec.structs.replace(box.state, queued=waiting)
    assert mailbox.disposition(box.state) == "rejected"
    assert mailbox.disposition(msgspec.structs.replace(box.state, turn=None)) == "rejected"
    assert mailbox.disposition(box.ask("w1").state) == "answered"


def test_one_turn_may_take_several_messages() -> None:
    box = Box("merge").receive().receive().receive().open_turn("m1", "m2")
    assert [m.message for m in box.state.queued] == ["m3"]


# -- whose turn it is --------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-15.5")
def test_a_run_that_waits_for_somebody_else_gives_its_turn_back_and_still_answers() -> None:
    box = Box().receive().open_turn("m1").receive().ask("w1")
    box.add(*talk.close_turn(box.state, RUN, "released"))
    assert (box.owed, box.state.released, box.state.questions) == (["turn/2"], (RUN,), ())
    box.open_turn("m2").say("answer")
    assert (box.owed, box.state.released) == (["deliver/o1/1"], ())
    assert box.state.turn == OpenTurn(TurnId("t2"), RunId("run-2"))


@pytest.mark.req("LIC-15.10")
def test_a_run_that_gave_its_turn_back_and_ends_in_silence_is_open_no_more() -> None:
    box = Box().receive().open_turn("m1")
    box.add(*talk.end_turn(box.state, RUN, TurnId("t1"), "answered"))
    assert (box.state.turn, box.state.is_quiet) == (None, True), "a run that has its turn closes it once"
    box = Box().receive().open_turn("m1").receive()
    box.add(*talk.close_turn(box.state, RUN, "released"))
    box.open_turn("m2").add(*talk.end_turn(box.state, RUN, TurnId("t1"), "answered"))
    assert box.state.released == ()
    assert box.state.turn == OpenTurn(TurnId("t2"), RunId("run-2")), "the turn of another run is not touched"


def test_only_the_run_that_has_the_turn_can_close_it() -> None:
    box = Box().receive().open_turn("m1")
    assert talk.close_turn(box.state, RunId("run-9"), "answered") == ()
    box.add(e.TurnClosed(TurnId("t0"), RunId("run-0"), "answered"))
    assert box.state.turn == OpenTurn(TurnId("t1"), RUN)


def test_a_message_belongs_to_the_turn_only_if_its_run_has_it() -> None:
    box = Box().receive().open_turn("m1")
    for run, turn in ((RUN, "t1"), (RunId("run-9"), None)):
        control = talk.queue(box.state, "say", TEXT, run=run).control
        assert isinstance(control, e.MessageQueued)
        assert control.turn == turn


# -- what goes out -----------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-16.1")
def test_messages_leave_one_at_a_time_and_in_order() -> None:
    box = Box().say().say()
    assert box.owed == ["deliver/o1/1"]
    box.send("o1")
    assert box.owed == ["deliver/o1/1"]
    assert box.send("o1", "delivered").owed == ["deliver/o2/1"]
    assert box.send("o2", "failed").owed == []


@pytest.mark.req("LIC-16.1")
def test_a_message_that_backs_off_holds_those_behind_it() -> None:
    box = Box().say().say().send("o1").send("o1", "retry", due_us=77)
    assert (box.owed, box.state.timers) == ([], {"deliver/o1/2": 77})
    assert box.add(e.TimerFired("deliver/o1/2")).owed == ["deliver/o1/2"]
    assert box.state.timers == {}


@pytest.mark.req("LIC-16.2")
def test_after_a_crash_it_is_settled_what_became_of_a_message_before_it_goes_again() -> None:
    box = Box().say().say().send("o1").add(e.Owned(2))
    assert box.owed == ["doubt/o1/1"]
    assert box.add(e.Owned(3)).owed == ["doubt/o1/1"]
    box.add(e.DeliveryDoubted(MessageId("o1"), 1, "repeat", "interrupted", 5))
    assert (box.owed, dict(box.state.timers)) == ([], {"deliver/o1/2": 5})
    assert box.add(e.TimerFired("deliver/o1/2")).owed == ["deliver/o1/2"]


@pytest.mark.req("LIC-16.20")
def test_a_message_that_is_held_in_doubt_lets_the_next_go_and_goes_last_when_a_person_says_so() -> None:
    box = Box().say().say().send("o1").add(e.Owned(2)).add(e.DeliveryDoubted(MessageId("o1"), 1, "hold"))
    assert box.owed == ["deliver/o2/1"]
    box.add(e.DeliveryResolved(MessageId("o1"), 1, "say", 1, "again", "operator_1"))
    assert box.owed == ["deliver/o2/1"]
    assert box.send("o2").send("o2", "delivered").owed == ["deliver/o1/2"]


@pytest.mark.req("LIC-16.2")
def test_after_a_crash_a_message_that_is_fetched_is_shown_again_as_a_further_attempt() -> None:
    box = Box()
    box.state = msgspec.structs.replace(box.state, delivery="pull")
    box.say().send("o1").add(e.Owned(2))
    assert [(out.attempt, out.is_in_flight) for out in box.state.outbox.values()] == [(2, False)]


def test_a_delivery_of_a_message_that_is_gone_changes_nothing() -> None:
    box = Box().say().send("o1").send("o1", "delivered")
    before = box.state
    box.add(e.DeliveryAttempted(MessageId("o1"), 2), e.TimerFired("deliver/o1/2"))
    assert (box.state.outbox, box.state.timers) == (before.outbox, before.timers)


def test_what_a_client_fetches_itself_is_not_delivered() -> None:
    box = Box()
    box.state = msgspec.structs.replace(box.state, delivery="pull")
    assert box.say().owed == []


def test_messages_queued_together_get_ids_of_their_own() -> None:
    state = Box().state
    drafts = [talk.queue(state, "say", TEXT, offset=i) for i in range(3)]
    assert [d.control.key for d in drafts] == ["message_queued/o1", "message_queued/o2", "message_queued/o3"]
    assert talk.queue(state, "answer", TEXT, token="answer/run-1").control.key == "message_queued/answer/run-1"


# -- closing -----------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-15.8")
def test_a_closed_mailbox_opens_no_turn_and_drops_what_waits_for_one() -> None:
    box = Box().receive().add(e.MailboxClosed())
    assert (box.owed, box.state.outcome, box.state.is_owing_customer) == ([], "closed", False)
    assert streams.standing(box.state) == "finished"


@pytest.mark.req("LIC-15.8")
def test_a_closed_mailbox_still_lets_out_what_its_runs_say() -> None:
    box = Box().receive().open_turn("m1").add(e.MailboxClosed())
    assert streams.standing(box.state) == "waiting"
    box.say("answer").add(*talk.close_turn(box.state, RUN, "cancelled"))
    assert (streams.standing(box.state), box.owed) == ("owing", ["deliver/o1/1"])
    box.send("o1").send("o1", "delivered")
    assert streams.standing(box.state) == "finished"


def test_a_state_of_nothing_owes_nothing() -> None:
    assert mailbox.decide(MailboxState(SessionId("ses-1"))) == ()
