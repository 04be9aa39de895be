"""A small life with every record type in it, so that every table of a volume has rows."""

from __future__ import annotations

from lichen.core.deciders import events as e
from lichen.core.deciders.schedules import schedule_stream
from lichen.core.ports.call import Effects
from lichen.core.ports.policy import Reservation
from lichen.core.speech.attached import Attached
from lichen.core.words.content import INLINE_BYTES_MAX, RETENTION, Content
from lichen.core.words.ids import (
    TENANT_STREAM,
    AgentName,
    CallId,
    MessageId,
    RunId,
    SessionId,
    ToolName,
    TurnId,
    WaitId,
    run_stream,
    session_stream,
)
from lichen.core.words.label import Label
from lichen.core.words.limits import Limits, Usage
from lichen.core.words.scope import Customer, Operator
from lichen.log.log import Log
from lichen.testing.log_conformance import put

AGENT = AgentName("shop.support")
PAY, LOOK = ToolName("shop.pay"), ToolName("shop.look")
C1, C2, C3, C4 = CallId("c1"), CallId("c2"), CallId("c3"), CallId("c4")
DIGEST = b"0123456789abcdef"
FIRST, SECOND = RunId("run-a"), RunId("run-b")
SESSION = SessionId("ses-a")
A, B, S = run_stream(FIRST), run_stream(SECOND), session_stream(SESSION)
CHILD = RunId("run-b.c4")


def call(id: CallId, tool: ToolName = PAY, effects: Effects = "once") -> e.PlannedCall:
    return e.PlannedCall(id, tool, effects, DIGEST)


def first_day(log: Log) -> None:
    """A conversation: a question, a paid call, an answer, delivered."""
    who = log.name(Customer("customer-7"))
    turn, m1, o1 = TurnId("t1"), MessageId("m1"), MessageId("o1")
    label = Label((f"customer:{who}",), 2)
    opened = e.MailboxOpened(AGENT, who, "webchat", "push", has_address=True)
    put(log, S, e.Draft(opened, (Content("actor", who, b'{"id":"customer-7"}'), Content("address", who, b"room-1"))))
    received = e.MessageReceived(m1, "token-1", "queued", attachments=(Attached("text/plain", 7, b"d" * 16),))
    said = (Content("text", who, b"Pay 10 please"), Content("attachment/0", who, b"receipt"))
    put(log, S, e.Draft(received, said, label))
    put(log, S, e.Draft(e.TurnOpened(turn, FIRST, (m1,))))
    started = e.RunStarted(AGENT, who, Limits(calls=8), SESSION, turn)
    put(log, A, e.Draft(started, (Content("input", who, b"[]"),), label))
    put(log, A, e.Draft(e.PlanStarted(0, 1, "start")))
    usage = Usage(100, 20, 0, 150, 5)
    contents = (Content("c1/args", who, b'{"amount":10}'), Content("state", who, b"s" * (INLINE_BYTES_MAX + 1)))
    put(log, A, e.Draft(e.Planned(0, 1, "start", (call(C1), call(C2)), usage=usage, has_state=True), contents))
    for id in (C1, C2):
        put(log, A, e.Draft(e.Decided(id, 1, "allow", ("p1",), "abc", (Reservation("meter-1", 10),))))
        put(log, A, e.Draft(e.CallStarted(id, 1, 1)))
    by_call = e.ModelAsked("scripted:small", "ok", Usage(7, 3, 0, 11), ruling=e.Ruling("model.invoke", ("p1",), "abc"))
    put(log, A, e.Draft(e.CallAsked(C1, 0, "scripted:small", Usage(20, 30, 0, 40))))
    sent = (Content("asked/0", who, b"{}"), Content("replied/0", who, b"{}"))
    put(log, A, e.Draft(e.CallAsked(C1, 0, "scripted:small", asked=by_call), sent))
    audit = Content("audit", RETENTION, b'{"amount":10}')
    put(log, A, e.Draft(e.CallFinished(C1, 1, "ok", "", 900, withheld=1), (Content("result", who, b"{}"), audit)))
    put(log, A, e.Draft(e.CallFinished(C2, 1, "failed", "no_money", 300), (Content("reason", who, b"no"),)))
    allowed = e.Ruling("model.invoke", ("p1",), "abc")
    asked = (
        e.ModelAsked("scripted:small", "model_overloaded", Usage(), 1, 40_000, allowed, tries=3),
        e.ModelAsked("scripted:large", "ok", usage, 0, 90_000, allowed, 1, 30_000, True, True, "large-2", "end"),
    )
    put(log, A, e.Draft(e.PlanStarted(1, 1, "resume", "scripted:large", usage, Usage(), 1)))
    answer = (Content("answer", who, b"Paid."), Content("answer/card", who, b'{"type":"AdaptiveCard"}'))
    put(log, A, e.Draft(e.Planned(1, 1, "resume", says=1, has_answer=True, requests=asked), answer))
    put(
        log,
        A,
        e.Draft(
            e.SecretUsed(
                "payments.key",
                "1-0123456789abcdef",
                "use-1",
                C1,
                ruling=e.Ruling("secret.use", ("p1",), "abc"),
                host="api.example.com",
            )
        ),
    )
    put(log, A, e.Draft(e.RunFinished("completed", "", usage, 2), (Content("answer", who, b"Paid."),)))
    queued = e.MessageQueued(o1, "answer", turn, FIRST, f"answer/{FIRST}")
    put(log, S, e.Draft(queued, (Content("text", who, b"Paid."),)), e.Draft(e.TurnClosed(turn, FIRST, "answered")))
    put(log, S, e.Draft(e.DeliveryAttempted(o1, 1)))
    put(log, S, e.Draft(e.DeliverySettled(o1, 1, "retry", "busy", log_us(log) + 1_000_000)))
    put(log, S, e.Draft(e.TimerFired("deliver/o1/2")), e.Draft(e.DeliveryAttempted(o1, 2)))
    put(log, S, e.Draft(e.DeliverySettled(o1, 2, "delivered")))


def second_day(log: Log) -> None:
    """What stays open: an approval, an unknown outcome, a child, a message in the outbox, a kill switch."""
    who, boss = log.name(Customer("customer-7")), log.name(Operator("boss"))
    put(log, B, e.Draft(e.RunStarted(AGENT, who, Limits(), SESSION), (Content("input", who, b"[]"),)))
    calls = (call(C1), call(C2), call(C3), call(C4, LOOK, "child"))
    put(log, B, e.Draft(e.Planned(0, 1, "start", calls, usage=Usage(10, 5, 0, 7)), (Content("c1/args", who, b"{}"),)))
    put(log, B, e.Draft(e.Decided(C1, 1, "allow", reservations=(Reservation("meter-1", 5), Reservation("meter-2", 1)))))
    put(log, B, e.Draft(e.CallStarted(C1, 1, 1)), e.Draft(e.CallProgressed(C1, 1, "in_doubt")))
    put(log, B, e.Draft(e.CallFinished(C1, 1, "unknown", "timeout")))
    reconcile = e.WaitOpened(SECOND, WaitId("w1"), "reconcile", C1, ("operator",), digest=DIGEST, stops_budget=False)
    put(log, B, e.Draft(reconcile, (Content("operator", who, b"{}"),)))
    put(log, B, e.Draft(e.Decided(C2, 1, "hold")))
    expires = log_us(log) + 60_000_000
    approval = e.WaitOpened(SECOND, WaitId("w2"), "approval", C2, ("manager",), who, DIGEST, "manager", expires)
    put(log, B, e.Draft(approval, (Content("public", who, b"Wait."),)))
    put(log, B, e.Draft(e.WaitClosed(SECOND, WaitId("w2"), "denied", boss), (Content("body", boss, b"{}"),)))
    put(log, B, e.Draft(e.CallFinished(C2, 1, "denied", "approval_denied")))
    put(log, B, e.Draft(e.Declassified(("third_party:web.fetch",), boss, "word-1")))
    put(log, B, e.Draft(e.Refused("model.invoke", "5f0a", "deny", "no-1"), (Content("operator", who, b"forbidden"),)))
    put(log, B, e.Draft(e.Decided(C3, 1, "hold")))
    again = e.WaitOpened(SECOND, WaitId("w3"), "approval", C3, ("manager",), who, DIGEST, "manager", expires)
    put(log, B, e.Draft(again, (Content("public", who, b"Wait."),)))
    put(log, B, e.Draft(e.Decided(C4, 1, "allow")), e.Draft(e.CallStarted(C4, 1, 1, CHILD, 3)))
    child = e.RunStarted(AGENT, who, Limits(calls=3), parent=e.Parent(SECOND, C4), depth=1)
    put(
        log,
        run_stream(CHILD),
        e.Draft(child, (Content("input", who, b"[]"),)),
        e.Draft(e.Signal("cancel", "s1", "gone")),
    )
    put(log, run_stream(CHILD), e.Draft(e.LimitReached("time")), e.Draft(e.Owned(2)))
    released = e.MessageQueued(MessageId("o2"), "notice", None, SECOND, "notice/1")
    put(log, S, e.Draft(released, (Content("text", who, b"I am checking."),)))
    put(log, S, e.Draft(e.WaitOpened(FIRST, WaitId("w9"), "handover", may_answer=("operator",), expires_at_us=expires)))
    put(log, S, e.Draft(e.HandoverAttended(FIRST, WaitId("w9"), boss, "token-2", 3, expires)))
    reply = e.MessageQueued(MessageId("o3"), "reply", None, FIRST, "reply/token-2", by=boss)
    put(log, S, e.Draft(reply, (Content("text", who, b"Ada here."),)), e.Draft(e.DeliveryAttempted(MessageId("o3"), 1)))
    put(log, S, e.Draft(e.DeliverySettled(MessageId("o3"), 1, "delivered")))
    put(log, S, e.Draft(e.MessageQueued(MessageId("o4"), "say"), (Content("text", who, b"Soon."),)))
    put(log, S, e.Draft(e.DeliveryAttempted(MessageId("o4"), 1)))
    put(log, S, e.Draft(e.DeliveryDoubted(MessageId("o4"), 1, "repeat", "cut_off", log_us(log) + 1_000_000)))
    put(log, S, e.Draft(e.TimerFired("deliver/o4/2")), e.Draft(e.DeliveryAttempted(MessageId("o4"), 2)))
    put(log, S, e.Draft(e.DeliveryDoubted(MessageId("o4"), 2, "hold", "cut_off")))
    n = log.find(S, "message_queued/o4")
    assert n is not None
    put(log, S, e.Draft(e.DeliveryResolved(MessageId("o4"), n, "say", 2, "dropped", boss)))
    letter = (Content("letter", who, b"{}"), Content("reason", who, b"The session is closed."))
    put(log, TENANT_STREAM, e.Draft(e.DeadLettered("slack", "token-9", "session_closed", "c9", who), letter))
    dead = log.find(TENANT_STREAM, "dead_lettered/token-9")
    assert dead is not None
    put(log, TENANT_STREAM, e.Draft(e.LetterSettled(dead, "dropped", boss)))
    unread = (Content("letter", RETENTION, b"{}"), Content("reason", RETENTION, b"It cannot be read."))
    put(log, TENANT_STREAM, e.Draft(e.DeadLettered("slack", "token-10", "body_invalid"), unread))
    put(log, TENANT_STREAM, e.Draft(e.Changed("stop", "tool:shop.pay", "", "change-1")))
    ruling = e.Ruling("tool.pin", ("p1",), "abc")
    definition = (Content("definition", RETENTION, b'{"name":"files.read"}'),)
    put(log, TENANT_STREAM, e.Draft(e.Pinned("tool", "files.read", "abc", boss, "pin-1", ruling), definition))
    put(log, TENANT_STREAM, e.Draft(e.Submitted("tool", "files.read", "def", "abc", boss, "s-1", ruling), definition))
    put(log, TENANT_STREAM, e.Draft(e.Reviewed("pack", "acme.faq", "abc", "rejected", boss, "review-1", ruling)))
    put(log, TENANT_STREAM, e.Draft(e.Changed("pack", "acme.faq", "abc", "change-2", ruling)))
    put(log, schedule_stream("nightly"), e.Draft(e.Ticked("nightly", 1, "begun", run=FIRST, ruling=ruling)))
    put(log, TENANT_STREAM, e.Draft(e.Leased("boot-1", 1, log_us(log) + 10_000_000)))
    put(log, TENANT_STREAM, e.Draft(e.Accessed("run", "opening-1"), (Content("resource", RETENTION, b"run-b"),)))


async def last_day(log: Log) -> None:
    """Somebody is erased, a mailbox is closed."""
    other = log.name(Customer("customer-8"))
    mailbox = session_stream(SessionId("ses-b"))
    put(log, mailbox, e.Draft(e.MailboxOpened(AGENT, other, "webchat"), (Content("actor", other, b"{}"),)))
    await log.erase(other, "erasure-1", by=log.name(Operator("boss")))
    put(log, mailbox, e.Draft(e.MailboxClosed("erased")))


def log_us(log: Log) -> int:
    """The time of the newest record of the conversation."""
    return log.records(S)[-1].ts_us


async def live(log: Log, tick: object = None) -> None:
    """All of it, durable."""
    first_day(log)
    await log.durable()
    second_day(log)
    await last_day(log)
    await log.durable()
