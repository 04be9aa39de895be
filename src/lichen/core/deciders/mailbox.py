"""The mailbox of a conversation, as two pure functions: what came in, whose turn it is, what must go out.

One turn at a time. A message opens a turn, joins the open one, answers a wait, or is refused, by the rule for
people who type twice. A run that waits for somebody else gives the turn back. While a conversation is handed over to a
person, what its customer writes is theirs: no turn opens for it before they gave it back without having read it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailboxstate import (
    REPLIES_MAX,
    Handover,
    MailboxState,
    OpenTurn,
    Question,
    Queued,
    Summarised,
    Unsent,
)
from lichen.core.deciders.mailboxstate import start_state as start_state
from lichen.core.deciders.obligation import Obligation
from lichen.core.words.ids import MessageId, ObligationId

QUEUED_MAX = 100  # messages waiting for their turn
OUTBOX_MAX = 1_000  # messages not yet delivered


# -- decide ------------------------------------------------------------------------------------------------------


def decide(s: MailboxState) -> tuple[Obligation, ...]:
    """Everything that is owed now: to open the next turn, to deliver what lies in the outbox."""
    owed: list[Obligation] = []
    if s.queued and s.turn is None and not s.is_closed:
        owed.append(Obligation(ObligationId(f"turn/{s.turns + 1}"), "turn"))
    first = next(iter(s.outbox.values()), None) if s.delivery == "push" else None
    if first is not None and not first.is_backing_off:  # one at a time keeps the order
        verb = "doubt" if first.is_doubtful else "deliver"
        owed.append(Obligation(ObligationId(f"{verb}/{first.message}/{first.attempt}"), verb))
    return tuple(owed)


def next_messages(s: MailboxState) -> tuple[Queued, ...]:
    """What the next turn takes: a message, or all that wait where they are merged. What a person was to read and did
    not is one turn."""
    if s.double_texting == "merge" or not s.queued:
        return s.queued
    returned = tuple(itertools.takewhile(lambda message: message.was_handed, s.queued))
    return returned or s.queued[:1]


def disposition(s: MailboxState) -> Literal["queued", "joined", "answered", "rejected", "interrupts", "handed"]:
    """What a message that arrives now would do. `interrupts` is queued and cancels the open turn's run."""
    if s.handover is not None:
        return "handed" if len(s.handover.unread) < QUEUED_MAX else "rejected"
    if s.questions:
        return "answered"
    if len(s.queued) >= QUEUED_MAX:
        return "rejected"
    if s.turn is None or s.double_texting == "enqueue":
        return "queued"
    match s.double_texting:
        case "interrupt":
            return "interrupts"
        case "merge":
            return "joined"
        case "reject":
            return "rejected"


# -- evolve ------------------------------------------------------------------------------------------------------

Changes = dict[str, Any]


def evolve(s: MailboxState, event: e.Event) -> MailboxState:
    """The state after `event`."""
    fold = _FOLDS.get(type(event.control))
    if fold is None:
        raise ValueError(f"a {event.control.type} record does not belong in a mailbox")
    changes = fold(s, event, event.control)
    changes["n"] = event.n + 1
    return msgspec.structs.replace(s, **changes)


def _opened(s: MailboxState, event: e.Event, c: e.MailboxOpened) -> Changes:
    return {
        "agent": c.agent,
        "subject": c.subject,
        "channel": c.channel,
        "delivery": c.delivery,
        "double_texting": c.double_texting,
        "language": c.locale,
        "address_n": event.n if c.has_address else None,
        "team": c.team,
        "opened_us": event.ts_us,
    }


def _received(s: MailboxState, event: e.Event, c: e.MessageReceived) -> Changes:
    changes: Changes = {"received": s.received + 1}
    if c.has_address:
        changes["address_n"] = event.n
    message = Queued(c.message, event.n, c.role, c.by or s.subject)
    if c.disposition == "queued":
        changes["queued"] = (*s.queued, message)
    elif c.disposition == "answered":
        changes["questions"] = tuple(_with_reply(question, event, c) for question in s.questions)
    elif c.disposition == "handed" and s.handover is not None:
        changes["handover"] = _with_unread(s.handover, (*s.handover.unread, message))
    return changes


def _with_reply(question: Question, event: e.Event, c: e.MessageReceived) -> Question:
    """The question with a reply that was for it, and left it open."""
    is_its = (question.run, question.wait) == (c.run, c.wait) and len(question.replies) < REPLIES_MAX
    return msgspec.structs.replace(question, replies=(*question.replies, event.n)) if is_its else question


def _turn_opened(s: MailboxState, event: e.Event, c: e.TurnOpened) -> Changes:
    queued = tuple(m for m in s.queued if m.message not in c.messages)
    return {"queued": queued, "turn": OpenTurn(c.turn, c.run), "turns": s.turns + 1}


def _turn_closed(s: MailboxState, event: e.Event, c: e.TurnClosed) -> Changes:
    changes: Changes = {}
    if s.turn is not None and s.turn.id == c.turn:
        changes["turn"] = None
    if c.outcome == "released":
        changes["released"] = (*s.released, c.run)
    elif c.outcome == "ended":
        changes["released"] = tuple(run for run in s.released if run != c.run)
    if c.summary:
        changes["summarised"] = Summarised(c.run, c.summary)
    return changes


def _wait_opened(s: MailboxState, event: e.Event, c: e.WaitOpened) -> Changes:
    if c.kind == "handover":
        return _handed_over(s, event, c)
    return {"questions": (*s.questions, Question(c.run, c.wait))}


def _handed_over(s: MailboxState, event: e.Event, c: e.WaitOpened) -> Changes:
    """Begins the hand-over. What the customer wrote that no turn took yet goes with it."""
    theirs = tuple(message for message in s.queued if _is_customers(s, message))
    rest_us = 0 if c.expires_at_us is None else c.expires_at_us - event.ts_us
    handover = Handover(c.run, c.wait, "", theirs, rest_us)
    changes: Changes = {"handover": handover, "queued": tuple(m for m in s.queued if m not in theirs)}
    if c.expires_at_us is not None:
        changes["timers"] = {**s.timers, handover.timer: c.expires_at_us}
    return changes


def _attended(s: MailboxState, event: e.Event, c: e.HandoverAttended) -> Changes:
    handover = s.handover
    if handover is None or (handover.run, handover.wait) != (c.run, c.wait):
        return {}
    unread = tuple(message for message in handover.unread if message.n >= c.read)
    changes: Changes = {"handover": msgspec.structs.replace(handover, by=c.by, unread=unread)}
    if c.until_us:
        changes["timers"] = {**s.timers, handover.timer: c.until_us}
    return changes


def _wait_closed(s: MailboxState, event: e.Event, c: e.WaitClosed) -> Changes:
    if s.handover is not None and (s.handover.run, s.handover.wait) == (c.run, c.wait):
        return _returned(s, s.handover)
    return {"questions": tuple(q for q in s.questions if (q.run, q.wait) != (c.run, c.wait))}


def _returned(s: MailboxState, handover: Handover) -> Changes:
    """Ends the hand-over. What nobody read waits for a turn, before what others said meanwhile."""
    unread = tuple(msgspec.structs.replace(message, was_handed=True) for message in handover.unread)
    timers = {id: due for id, due in s.timers.items() if id != handover.timer}
    return {"handover": None, "queued": (*unread, *s.queued), "timers": timers}


def _queued(s: MailboxState, event: e.Event, c: e.MessageQueued) -> Changes:
    out = Unsent(c.message, event.n, c.kind)
    changes: Changes = {"outbox": {**s.outbox, c.message: out}, "sent": s.sent + 1}
    if c.kind == "answer" and c.run in s.released:
        changes["released"] = tuple(run for run in s.released if run != c.run)
    return changes


def _attempted(s: MailboxState, event: e.Event, c: e.DeliveryAttempted) -> Changes:
    return _with_out(s, c.message, attempt=c.attempt, is_in_flight=True)


def _delivered(s: MailboxState, event: e.Event, c: e.DeliverySettled) -> Changes:
    if c.outcome == "retry":
        return _backing_off(s, c)
    return {"outbox": {id: out for id, out in s.outbox.items() if id != c.message}}


def _doubted(s: MailboxState, event: e.Event, c: e.DeliveryDoubted) -> Changes:
    if c.decision == "hold":
        return {"outbox": {id: out for id, out in s.outbox.items() if id != c.message}}
    return _backing_off(s, c)


def _backing_off(s: MailboxState, c: e.DeliverySettled | e.DeliveryDoubted) -> Changes:
    """The next attempt is made when it is due: at once where nothing is said of that."""
    if not c.due_us:
        return _with_out(s, c.message, attempt=c.attempt + 1, is_in_flight=False, is_doubtful=False)
    timers = {**s.timers, f"deliver/{c.message}/{c.attempt + 1}": c.due_us}
    resting = _with_out(s, c.message, is_in_flight=False, is_doubtful=False, is_backing_off=True)
    return {**resting, "timers": timers}


def _resolved(s: MailboxState, event: e.Event, c: e.DeliveryResolved) -> Changes:
    """What goes again goes last: what was said meanwhile is there already."""
    if c.decision != "again":
        return {}
    return {"outbox": {**s.outbox, c.message: Unsent(c.message, c.n, c.kind, c.attempt + 1)}}


def _timer_fired(s: MailboxState, event: e.Event, c: e.TimerFired) -> Changes:
    changes: Changes = {"timers": {id: due for id, due in s.timers.items() if id != c.timer}}
    kind, _, rest = c.timer.partition("/")
    message, _, attempt = rest.partition("/")
    if kind == "deliver":
        changes |= _with_out(s, MessageId(message), attempt=int(attempt), is_backing_off=False)
    return changes


def _owned(s: MailboxState, event: e.Event, c: e.Owned) -> Changes:
    """What was on its way when the process died is in doubt where it was pushed; what is fetched is shown again, as a
    further attempt."""
    outbox = {id: _interrupted(s, out) if out.is_in_flight else out for id, out in s.outbox.items()}
    return {"epoch": c.epoch, "outbox": outbox}


def _interrupted(s: MailboxState, out: Unsent) -> Unsent:
    if s.delivery == "push":
        return msgspec.structs.replace(out, is_in_flight=False, is_doubtful=True)
    return msgspec.structs.replace(out, attempt=out.attempt + 1, is_in_flight=False)


def _closed(s: MailboxState, event: e.Event, c: e.MailboxClosed) -> Changes:
    """Ends the mailbox for what comes in; what its runs still have to say goes out."""
    handover = None if s.handover is None else _with_unread(s.handover, ())
    return {"is_closed": True, "queued": (), "handover": handover}


def _unmoved(s: MailboxState, event: e.Event, c: e.Declassified | e.Refused) -> Changes:
    """Makes no difference to what is owed; whoever looks back reads it."""
    return {}


def _is_customers(s: MailboxState, message: Queued) -> bool:
    """Whether the customer said it, or somebody in their name."""
    return message.role == "customer" or message.by == s.subject


def _with_unread(handover: Handover, unread: tuple[Queued, ...]) -> Handover:
    return msgspec.structs.replace(handover, unread=unread)


def _with_out(s: MailboxState, message: MessageId, **changes: Any) -> Changes:
    out = s.outbox.get(message)
    if out is None:
        return {}
    return {"outbox": {**s.outbox, message: msgspec.structs.replace(out, **changes)}}


_FOLDS: dict[type[e.Control], Callable[[MailboxState, e.Event, Any], Changes]] = {
    e.MailboxOpened: _opened,
    e.MessageReceived: _received,
    e.TurnOpened: _turn_opened,
    e.TurnClosed: _turn_closed,
    e.WaitOpened: _wait_opened,
    e.WaitClosed: _wait_closed,
    e.MessageQueued: _queued,
    e.DeliveryAttempted: _attempted,
    e.DeliverySettled: _delivered,
    e.DeliveryDoubted: _doubted,
    e.DeliveryResolved: _resolved,
    e.HandoverAttended: _attended,
    e.TimerFired: _timer_fired,
    e.Owned: _owned,
    e.MailboxClosed: _closed,
    e.Declassified: _unmoved,
    e.Refused: _unmoved,
}
