"""What must hold in every state of a mailbox, over every edge and along every path. The names say it."""

from __future__ import annotations

from typing import NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders import mailbox, streams
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import Obligation
from lichen.testing.explore import (
    Broken,
    Controls,
    Edge,
    Graph,
    Trace,
    check_edges,
    check_ends,
    check_paths,
    check_states,
)
from tests.core.mailbox_world import Node, Run, is_fair


class Seen(NamedTuple):
    """A state with what it owes and the runs around it."""

    state: MailboxState
    owed: tuple[Obligation, ...]
    runs: tuple[Run, ...]


def look(node: Node) -> Seen:
    """What the rules look at."""
    return Seen(node.state, mailbox.decide(node.state), node.runs)


# -- states ------------------------------------------------------------------------------------------------------


def is_deterministic(seen: Seen) -> bool:
    return seen.owed == mailbox.decide(seen.state) and len({o.id for o in seen.owed}) == len(seen.owed)


def owes_a_turn(seen: Seen) -> bool:
    s = seen.state
    is_due = bool(s.queued) and s.turn is None and not s.is_closed
    return any(o.verb == "turn" for o in seen.owed) is is_due


def owes_the_first_message(seen: Seen) -> bool:
    s = seen.state
    owed = [o.id.split("/")[1] for o in seen.owed if o.verb in ("deliver", "doubt")]
    first = next(iter(s.outbox.values()), None)
    is_due = s.delivery == "push" and first is not None and not first.is_backing_off
    return owed == ([first.message] if is_due and first is not None else [])


def retries_what_backs_off(seen: Seen) -> bool:
    s = seen.state
    backing_off = {f"deliver/{o.message}/{o.attempt + 1}" for o in s.outbox.values() if o.is_backing_off}
    handed = {f"handover/{run.id}/{run.handed}" for run in seen.runs if run.handed is not None}
    return set(s.timers) == backing_off | handed


def stands_as_it_owes(seen: Seen) -> bool:
    standing = streams.standing(seen.state)
    return (standing == "owing") is bool(seen.owed)


def is_finished_only_at_rest(seen: Seen) -> bool:
    s = seen.state
    is_finished = streams.standing(s) == "finished"
    return is_finished is (s.is_closed and not (s.outbox or seen.runs))


def knows_who_is_away(seen: Seen) -> bool:
    s = seen.state
    has_turn = {s.turn.run} if s.turn is not None else set[str]()
    return {run.id for run in seen.runs} == has_turn | set(s.released) and not has_turn & set(s.released)


def knows_who_asked(seen: Seen) -> bool:
    asked = {(run.id, run.asked) for run in seen.runs if run.asked is not None}
    return {(q.run, q.wait) for q in seen.state.questions} == asked


def knows_who_is_handed_over(seen: Seen) -> bool:
    """At most one run has handed the conversation over, and it gave its turn back."""
    handed = [(run.id, run.handed) for run in seen.runs if run.handed is not None]
    known = seen.state.handover
    return handed == ([] if known is None else [(known.run, known.wait)]) and all(
        id in seen.state.released for id, _ in handed
    )


def leaves_the_person_alone(seen: Seen) -> bool:
    """While a person has the conversation nothing of what the customer says waits for a turn."""
    s = seen.state
    return s.handover is None or not (s.queued or any(o.verb == "turn" for o in seen.owed))


STATES = {
    "decide says the same twice and no id twice": is_deterministic,
    "a turn is owed exactly when a message waits and no turn is open": owes_a_turn,
    "of the outbox the first message is owed and no other": owes_the_first_message,
    "a timer is set for every retry and for the hand-over, and for nothing else": retries_what_backs_off,
    "standing agrees with decide": stands_as_it_owes,
    "a mailbox is finished only when nothing more can come out of it": is_finished_only_at_rest,
    "every run has the turn or gave it back": knows_who_is_away,
    "a question is open exactly as long as its run waits for it": knows_who_asked,
    "one conversation is handed over once at a time, by a run that gave its turn back": knows_who_is_handed_over,
    "no turn is owed for a customer whom a person answers": leaves_the_person_alone,
}

# -- edges -------------------------------------------------------------------------------------------------------


def follows_its_rule(before: Seen, edge: Edge, after: Seen) -> bool:
    """Double texting: what a message may become while a turn is open and nobody asked."""
    received = next((c for c in edge.controls if isinstance(c, e.MessageReceived)), None)
    if received is None:
        return True
    s = before.state
    if s.handover is not None:
        return received.disposition == "handed"
    if s.questions:
        return received.disposition == "answered"
    if s.turn is None:
        return received.disposition == "queued"
    was_told = [run.is_cancelled for run in after.runs if run.id == s.turn.run] == [True]
    match s.double_texting:
        case "enqueue":
            return received.disposition == "queued"
        case "interrupt":
            return received.disposition == "queued" and was_told
        case "merge":
            return received.disposition == ("queued" if was_told else "joined")
        case "reject":
            return received.disposition == "rejected"


def gives_back_what_nobody_read(before: Seen, edge: Edge, after: Seen) -> bool:
    """How a hand-over ends: what the person did not read is next, in its order, and nothing else of it."""
    handover = before.state.handover
    if handover is None or after.state.handover is not None or after.state.is_closed:
        return True
    unread = [message.message for message in handover.unread]
    return [m.message for m in after.state.queued if m.was_handed][: len(unread)] == unread


EDGES = {
    "a message that comes while a turn is open goes by the rule for double texting": follows_its_rule,
    "what a person did not read goes to the assistant when the conversation comes back": gives_back_what_nobody_read,
}

# -- paths -------------------------------------------------------------------------------------------------------

ONCE_OWED = "an obligation is never owed again once it is closed"
ONE_KEY = "no key is used twice"
ONE_TURN = "at most one turn is open"
DEALT_ONCE = "a message is dealt with exactly once"
IN_ORDER = "turns come in the order of their messages"
OUT_ORDER = "messages leave in the order in which they were queued"
OUT_ONCE = "a message that arrived is never sent again, and none is lost"
CLOSED = "a closed mailbox takes nothing and opens nothing"


def trace(before: Seen, controls: Controls, after: Seen, t: Trace) -> None:
    """What one edge of a mailbox does to the facts."""
    for control in controls:
        t.forbid(ONE_KEY, ("key", control.key))
        t.begin(("key", control.key))
        _trace_in(before.state, control, t)
        _trace_out(before.state, control, t)
    owed = {o.id for o in after.owed}
    t.begin(*(("closed", o.id) for o in before.owed if o.id not in owed))
    t.forbid(ONCE_OWED, *(("closed", id) for id in owed))
    _trace_kept(after.state, t)


def _trace_in(s: MailboxState, control: e.Control, t: Trace) -> None:
    match control:
        case e.MessageReceived():
            t.forbid(CLOSED, ("shut",))
            t.forbid(DEALT_ONCE, ("dealt", control.message), ("pending", control.message))
            is_open = control.disposition in ("queued", "handed")
            t.begin(("pending" if is_open else "dealt", control.message))
        case e.TurnOpened():
            t.forbid(CLOSED, ("shut",))
            t.forbid(ONE_TURN, ("turn open",))
            t.begin(("turn open",))
            for message in control.messages:
                t.forbid(DEALT_ONCE, ("dealt", message))
                t.forbid(IN_ORDER, *(("pending", f"m{i}") for i in range(1, _number(message))))
                t.end(("pending", message))
                t.begin(("dealt", message))
        case e.HandoverAttended() if s.handover is not None:
            for message in s.handover.unread:
                t.end(("pending", message.message))
                t.begin(("dealt", message.message))
        case e.TurnClosed() if control.outcome != "ended":
            t.end(("turn open",))
        case e.MailboxClosed():
            t.begin(("shut",))
            t.end(*(("pending", f"m{i + 1}") for i in range(s.received)))
        case _:
            pass


def _trace_out(s: MailboxState, control: e.Control, t: Trace) -> None:
    match control:
        case e.MessageQueued():
            t.begin(("outgoing", control.message))
        case e.DeliveryAttempted():
            t.forbid(OUT_ONCE, ("left", control.message))
            if s.delivery == "push":
                t.forbid(OUT_ORDER, *(("outgoing", f"o{i}") for i in range(1, _number(control.message))))
        case e.DeliverySettled(outcome="delivered" | "failed") | e.DeliveryDoubted(decision="hold"):
            t.forbid(OUT_ONCE, ("left", control.message))
            t.begin(("left", control.message))
            t.end(("outgoing", control.message))
        case _:
            pass


def _trace_kept(s: MailboxState, t: Trace) -> None:
    """What the state must still know after the edge."""
    unread = () if s.handover is None else s.handover.unread
    queued = {inbound.message for inbound in (*s.queued, *unread)}
    messages = (f"m{i + 1}" for i in range(s.received))
    t.forbid(DEALT_ONCE, *(("pending", m) for m in messages if m not in queued))
    t.forbid(DEALT_ONCE, *(("dealt", m) for m in queued))
    t.forbid(OUT_ONCE, *(("left", o) for o in s.outbox))
    t.forbid(OUT_ONCE, *(("outgoing", f"o{i + 1}") for i in range(s.sent) if f"o{i + 1}" not in s.outbox))


def _number(message: str) -> int:
    return int(message[1:])


# -- all of it ---------------------------------------------------------------------------------------------------


def is_at_rest(seen: Seen) -> bool:
    """Nobody is at work and everything said went out."""
    s = seen.state
    return not (seen.owed or seen.runs or s.outbox or s.queued or s.handover is not None)


def check(graph: Graph[Node]) -> list[Broken]:
    """Every broken rule, each with a shortest way to it."""
    seen = graph.seen_as(look)
    return [
        *seen.broken,
        *check_states(seen, STATES),
        *check_edges(seen, EDGES),
        *check_paths(seen, trace),
        *check_ends(seen, is_at_rest, is_fair),
    ]
