"""Whatever kind a stream is of, it has a state, and the state says how it stands."""

from __future__ import annotations

import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders import streams
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import RunState
from lichen.core.deciders.streams import State, TenantState
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
