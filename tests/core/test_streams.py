"""Whatever kind a stream is of, it has a state, and the state says how it stands."""

from __future__ import annotations

from typing import Literal

import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders import streams
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import REJECTED_MAX, Definition, State, TenantState
from lichen.core.words.ids import (
    TENANT_STREAM,
    AgentName,
    MessageId,
    RunId,
    SessionId,
    StreamId,
    WaitId,
    run_stream,
    session_stream,
)
from lichen.core.words.limits import Limits


def told(stream: StreamId, *controls: e.Control) -> State:
    state = streams.initial(stream)
    for n, control in enumerate(controls):
        state = streams.evolve(state, e.Event(n, 0, control))
    return state


STARTED = e.RunStarted(AgentName("shop.support"), "customer_1", Limits())
PAUSED = e.WaitOpened(RunId("run-1"), WaitId("w1"), "pause")
OPENED = e.MailboxOpened(AgentName("shop.support"), "customer_1", "web")
RECEIVED = e.MessageReceived(MessageId("m1"), "m1", "queued")


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (run_stream(RunId("run-1")), RunState),
        (session_stream(SessionId("ses-1")), MailboxState),
        (TENANT_STREAM, TenantState),
        (StreamId("agent", "a"), TenantState),
    ],
)
def test_a_stream_without_records_has_a_state_that_owes_nothing(stream: StreamId, kind: type[State]) -> None:
    state = streams.initial(stream)
    assert isinstance(state, kind)
    assert (state.n, streams.decide(state), streams.standing(state), dict(state.timers)) == (0, (), "waiting", {})


def test_a_run_stands_by_what_it_owes() -> None:
    stream = run_stream(RunId("run-1"))
    assert streams.standing(told(stream, STARTED)) == "owing"
    assert streams.standing(told(stream, STARTED, PAUSED)) == "waiting"
    assert streams.standing(told(stream, STARTED, e.RunFinished("failed"))) == "finished"


def test_a_session_stands_by_what_it_owes() -> None:
    stream = session_stream(SessionId("ses-1"))
    assert streams.standing(told(stream, OPENED)) == "waiting"
    assert streams.standing(told(stream, OPENED, RECEIVED)) == "owing"
    assert streams.standing(told(stream, OPENED, RECEIVED, e.MailboxClosed())) == "finished"


def test_the_tenants_stream_tells_what_is_stopped_and_erased() -> None:
    state = told(
        TENANT_STREAM,
        e.LogOpened("b1", 1, "0.1.0"),
        e.Changed("stop", "tool:payments.refund", "", "x1"),
        e.Changed("stop", "agent:shop.support", "", "x2"),
        e.Changed("policy", "policies", "d1", "x3"),
        e.Changed("start", "agent:shop.support", "", "x4"),
        e.Erased("customer_1", (1,), "x5"),
    )
    assert isinstance(state, TenantState)
    assert (state.stopped, state.erased, state.n) == ({"tool:payments.refund": 1}, {"customer_1"}, 6)
    assert (streams.decide(state), streams.standing(state)) == ((), "waiting")


def definition(*controls: e.Control) -> Definition:
    state = told(TENANT_STREAM, *controls)
    assert isinstance(state, TenantState)
    return state.definitions["tool:files.read"]


def pinned(digest: str) -> e.Pinned:
    return e.Pinned("tool", "files.read", digest, "operator_1", f"pin-{digest}")


def submitted(digest: str, was: str = "") -> e.Submitted:
    return e.Submitted("tool", "files.read", digest, was, "system", f"sub-{digest}")


def reviewed(digest: str, verdict: Literal["accepted", "rejected"]) -> e.Reviewed:
    return e.Reviewed("tool", "files.read", digest, verdict, "operator_1", f"rev-{digest}")


@pytest.mark.req("SYM-61.1")
def test_what_was_pinned_stands_while_another_definition_waits_to_be_judged() -> None:
    assert definition(pinned("d1"), submitted("d2", "d1")) == Definition("d1", 0, "d2", 1, submitted_by="system")
    assert definition(pinned("d1"), submitted("d2", "d1"), reviewed("d2", "accepted"), pinned("d2")) == Definition(
        "d2", 3
    )


@pytest.mark.req("SYM-61.1")
def test_what_is_rejected_is_pinned_no_more_until_somebody_pins_it_again() -> None:
    assert definition(pinned("d1"), submitted("d2"), reviewed("d2", "rejected")) == Definition(
        "d1", 0, rejected=("d2",)
    )
    assert definition(pinned("d1"), reviewed("d1", "rejected")) == Definition(rejected=("d1",))
    assert definition(pinned("d1"), reviewed("d1", "rejected"), pinned("d1")) == Definition("d1", 2)


@pytest.mark.req("SYM-62.6")
def test_what_the_system_turned_off_is_revoked_and_not_rejected_until_something_is_pinned_or_somebody_says_no() -> None:
    off = e.Reviewed("tool", "files.read", "d1", "rejected", "system", "off-d1")
    assert definition(pinned("d1"), off) == Definition(revoked="d1", revoked_n=0)
    assert definition(pinned("d1"), off, reviewed("d2", "rejected")) == Definition(
        rejected=("d2",), revoked="d1", revoked_n=0
    )
    assert definition(pinned("d1"), off, pinned("d2")) == Definition("d2", 2)
    assert definition(pinned("d1"), off, submitted("d1"), reviewed("d1", "rejected")) == Definition(rejected=("d1",))


def test_only_the_last_rejections_are_remembered() -> None:
    known = definition(*(reviewed(f"d{n}", "rejected") for n in range(REJECTED_MAX + 3)))
    assert known.rejected == tuple(f"d{n}" for n in range(3, REJECTED_MAX + 3))
