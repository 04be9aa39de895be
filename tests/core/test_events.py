"""Record types outlive this code: their names, their fields and the order of those are pinned byte by byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.ports.policy import Reservation
from lichen.core.speech.attached import Attached
from lichen.core.words.ids import AgentName, CallId, MessageId, RunId, SessionId, ToolName, TurnId, WaitId
from lichen.core.words.label import EMPTY
from lichen.core.words.limits import Limits, Usage

GOLDEN: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "golden_events.json").read_text())

RUN, CALL, WAIT, TURN = RunId("run-1"), CallId("c7"), WaitId("w2"), TurnId("t3")
AGENT, SUBJECT, MESSAGE = AgentName("shop.support"), "customer_9f2c", MessageId("m4")
USAGE = Usage(100, 20, 30, 4_000, 10)
RULING = e.Ruling("run.start", ("policy0",), "d4")
FILES = (Attached("image/png", 9, b"d"),)
LIMITS = Limits(9, 60.0, 2, 8, 1, 5_000, 5.0, 1.5)

SAMPLES: tuple[e.Control, ...] = (
    e.RunStarted(
        AGENT,
        SUBJECT,
        LIMITS,
        SessionId("ses-1"),
        TURN,
        e.Parent(RUN, CALL),
        1,
        e.Pins("a1", "t2", "p3", "run/1"),
        (SUBJECT, "operator_1a"),
        RULING,
        True,
        (ToolName("orders.lookup"),),
        "sales",
    ),
    e.PlanStarted(2, 1, "resume", "openai:gpt-5", USAGE, USAGE, 2),
    e.Planned(
        2,
        1,
        "resume",
        (e.PlannedCall(CALL, ToolName("payments.refund"), "once", b"\x01\x02", 3),),
        1,
        True,
        True,
        1,
        "each",
        USAGE,
        "planner_error",
        True,
        (RULING,),
        (
            e.ModelAsked(
                "openai:gpt-5", "model_overloaded", USAGE, 2, 1_200, RULING, 3, 400, True, True, "gpt-5-2025", "end"
            ),
        ),
        True,
        ("terminal",),
        True,
        ("support@3#1f0c8a2b4d6e",),
        True,
        "d5",
    ),
    e.Decided(
        CALL, 2, "hold", ("policy0",), "d4", (Reservation("refunds", 5),), ("iban",), ("third_party:web.fetch",), 1
    ),
    e.WaitOpened(
        RUN,
        WAIT,
        "approval",
        CALL,
        ("supervisor",),
        SUBJECT,
        b"\x01\x02",
        "supervisor",
        1_700_000_000,
        "resume",
        False,
        (SUBJECT, "operator_1a"),
        RULING,
    ),
    e.WaitClosed(RUN, WAIT, "approved", "operator_1a", True, RULING),
    e.Owned(3),
    e.CallStarted(CALL, 2, 3, RunId("run-1.c7"), 4, 5_000, 1_700_000_000, 900),
    e.CallProgressed(CALL, 2, "waited", "busy", 1_700_000_000, 3, 2, 400, 1, 900),
    e.CallFinished(CALL, 2, "ok", "probed", 1_234, 3, 400, True, 2, 900),
    e.Signal("cancel", "s1", "requested", "operator_1a", RULING),
    e.TimerFired("wait/w2"),
    e.LimitReached("calls"),
    e.RunFinished("completed", "limit_calls", USAGE, 9),
    e.Declassified(("third_party:web.fetch",), "operator_1a", "x7", RULING),
    e.Refused("model.invoke", "5f0a", "deny", "x6", ("policy0",), "d4", 3, 1_700_000_000),
    e.SecretUsed("openai", "v3", "x4", CALL, RULING, "api.openai.com"),
    e.CallAsked(CALL, 2, "openai:gpt-5", USAGE, e.ModelAsked("openai:gpt-5", "ok", USAGE, ruling=RULING)),
    e.MailboxOpened(AGENT, SUBJECT, "web", "push", "merge", "de", RULING, True, "sales"),
    e.MessageReceived(MESSAGE, "5f0a", "answered", RUN, WAIT, "operator", RULING, "operator_1a", True, FILES),
    e.TurnOpened(TURN, RUN, (MESSAGE, MessageId("m5"))),
    e.TurnClosed(TURN, RUN, "released", 7),
    e.MessageQueued(MessageId("o6"), "answer", TURN, RUN, "answer/run-1", RULING, "operator_1a"),
    e.DeliveryAttempted(MessageId("o6"), 2),
    e.DeliverySettled(MessageId("o6"), 2, "retry", "busy", 1_700_000_000),
    e.DeliveryDoubted(MessageId("o6"), 2, "repeat", "interrupted", 1_700_000_000),
    e.DeliveryResolved(MessageId("o6"), 12, "answer", 2, "again", "operator_1a", RULING),
    e.HandoverAttended(RUN, WAIT, "operator_1a", "5f0a", 12, 1_700_000_000, RULING),
    e.MailboxClosed("requested", RULING),
    e.LogOpened("b7", 1, "0.1.0"),
    e.Changed("stop", "tool:payments.refund", "d4", "x8", RULING),
    e.Erased(SUBJECT, (1, 2), "x9", 1, 2, 30, RULING),
    e.Accessed("run", "x5", RULING),
    e.Pinned("tool", "files.read", "d4", "operator_1a", "x3", RULING),
    e.Reviewed("pack", "acme.faq", "d4", "rejected", "operator_1a", "x2", RULING),
    e.Leased("b7", 3, 1_700_000_000),
    e.Submitted("server", "acme.files", "d5", "d4", "operator_1a", "x1", RULING),
    e.DeadLettered("slack", "5f0a", "body_invalid", "7c1b", SUBJECT),
    e.LetterSettled(12, "replayed", "operator_1a", RULING),
    e.Ticked("nightly", 1_700_000_000, "failed", 2, RUN, "planner_error", 3, 1_600_000_000, True, "d4", RULING, "5f0a"),
)


def golden(control: e.Control) -> dict[str, str]:
    """What is pinned of a record type: its fields in order, and the bytes and key of one sample."""
    return {
        "fields": " ".join(field.name for field in msgspec.structs.fields(control)),
        "bytes": msgspec.msgpack.encode(control).hex(),
        "key": control.key,
    }


def test_every_record_type_has_a_sample_that_sets_every_field() -> None:
    assert [type(sample) for sample in SAMPLES] == list(e.TYPES.values())
    assert len(SAMPLES) == 40
    for sample in SAMPLES:
        for field in msgspec.structs.fields(sample):
            assert getattr(sample, field.name) != field.default, f"{sample.type}.{field.name}"


@pytest.mark.req("LIC-1.2")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.type)
def test_a_record_type_keeps_its_fields_their_order_and_its_key(sample: e.Control) -> None:
    assert golden(sample) == GOLDEN[sample.type]


@pytest.mark.req("LIC-1.2")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.type)
def test_stored_bytes_become_the_record_again(sample: e.Control) -> None:
    stored = bytes.fromhex(GOLDEN[sample.type]["bytes"])
    assert msgspec.msgpack.decode(stored, type=e.TYPES[sample.type]) == sample


def test_no_record_type_is_pinned_that_is_not_there() -> None:
    assert set(GOLDEN) == set(e.TYPES)


@pytest.mark.req("LIC-1.2")
def test_a_change_of_field_order_is_noticed() -> None:
    fields = [(field.name, field.type) for field in msgspec.structs.fields(e.WaitClosed)]
    swapped: Any = msgspec.defstruct(
        "WaitClosed", [fields[1], fields[0], *fields[2:]], bases=(e.Control,), frozen=True, array_like=True
    )
    stored = msgspec.msgpack.encode(swapped(WAIT, RUN, "approved", "operator_1a", True, RULING))
    assert stored.hex() != GOLDEN["wait_closed"]["bytes"]


@pytest.mark.req("LIC-1.2")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.type)
def test_a_record_with_fields_of_a_later_version_can_still_be_read(sample: e.Control) -> None:
    later = [*msgspec.msgpack.decode(msgspec.msgpack.encode(sample)), "new"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(later), type=type(sample)) == sample


# -- keys --------------------------------------------------------------------------------------------------------


def test_a_record_type_is_named_like_its_class() -> None:
    assert e.TYPES["call_finished"] is e.CallFinished
    assert e.CallFinished.type == "call_finished"
    assert {control.type_v for control in e.TYPES.values()} == {1}


def test_keys_of_different_types_never_meet() -> None:
    assert len({sample.key for sample in SAMPLES}) == len(SAMPLES)
    assert all(sample.key.split("/")[0] == sample.type for sample in SAMPLES)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (e.PlanStarted(1, 2, "start"), e.PlanStarted(1, 3, "start")),
        (e.PlanStarted(1, 12, "start"), e.PlanStarted(11, 2, "start")),
        (e.PlanStarted(1, 2, "start", asked=1), e.PlanStarted(1, 2, "start", asked=2)),
        (e.Planned(1, 1, "start"), e.Planned(2, 1, "start")),
        (e.Decided(CALL, 1, "hold"), e.Decided(CALL, 2, "hold")),
        (e.WaitOpened(RUN, WAIT, "pause"), e.WaitOpened(RunId("run-2"), WAIT, "pause")),
        (e.WaitClosed(RUN, WAIT, "resumed"), e.WaitClosed(RUN, WaitId("w3"), "resumed")),
        (e.Owned(1), e.Owned(2)),
        (e.CallStarted(CALL, 1, 1), e.CallStarted(CALL, 2, 1)),
        (e.CallProgressed(CALL, 1, "in_doubt"), e.CallProgressed(CALL, 1, "not_done")),
        (e.CallAsked(CALL, 1, "m"), e.CallAsked(CALL, 2, "m")),
        (e.CallAsked(CALL, 1, "m"), e.CallAsked(CALL, 1, "m", asked=e.ModelAsked("m", "ok"))),
        (e.CallFinished(CALL, 1, "unknown"), e.CallFinished(CALL, 1, "ok")),
        (e.Signal("cancel", "s1"), e.Signal("input", "s1")),
        (e.TimerFired("retry/c1/2"), e.TimerFired("retry/c1/3")),
        (e.LimitReached("calls"), e.LimitReached("time")),
        (e.MessageReceived(MESSAGE, "a", "queued"), e.MessageReceived(MESSAGE, "b", "queued")),
        (e.TurnOpened(TURN, RUN, ()), e.TurnOpened(TurnId("t4"), RUN, ())),
        (e.TurnClosed(TURN, RUN, "answered"), e.TurnClosed(TurnId("t4"), RUN, "answered")),
        (e.MessageQueued(MESSAGE, "say"), e.MessageQueued(MESSAGE, "say", token="notice/1")),
        (e.DeliveryAttempted(MESSAGE, 1), e.DeliveryAttempted(MESSAGE, 2)),
        (e.DeliverySettled(MESSAGE, 1, "retry"), e.DeliverySettled(MESSAGE, 2, "retry")),
        (e.LogOpened("b1", 1, ""), e.LogOpened("b2", 1, "")),
        (e.Changed("stop", "a", "", "x1"), e.Changed("start", "a", "", "x1")),
        (e.Erased(SUBJECT, (), "x1"), e.Erased(SUBJECT, (), "x2")),
    ],
    ids=lambda control: control.key,
)
def test_what_can_happen_twice_has_two_keys(a: e.Control, b: e.Control) -> None:
    assert a.key != b.key


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (e.CallFinished(CALL, 1, "ok"), e.CallFinished(CALL, 1, "failed")),
        (e.WaitClosed(RUN, WAIT, "approved"), e.WaitClosed(RUN, WAIT, "denied")),
        (e.RunFinished("completed"), e.RunFinished("failed")),
        (
            e.MessageQueued(MESSAGE, "answer", token="answer/r"),
            e.MessageQueued(MessageId("o9"), "answer", token="answer/r"),
        ),
        (e.MailboxClosed(), e.MailboxClosed("later")),
    ],
    ids=lambda control: control.key,
)
def test_what_can_happen_only_once_has_one_key(a: e.Control, b: e.Control) -> None:
    assert a.key == b.key


def test_a_record_is_unlabelled_unless_it_says_otherwise() -> None:
    assert e.Draft(e.Owned(1)).label is EMPTY
    assert e.Event(0, 0, e.Owned(1)).label is EMPTY
