"""Conversations: who talks with which agent, what was said by both, and what did not arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from lichen.core.words.ids import SessionId
from lichen.runtime.operations.talk.session import SessionSummary
from lichen.runtime.records import RecordView
from lichen.serve.console.handovers import HandedOver, open_handovers
from lichen.serve.console.visit import Outcome, Query, Visit

PAGE = 50
RECORDS_MAX = 2_000  # of one transcript, the last ones


class Wanted(Query, frozen=True):
    """Sessions that began before record `before`, or the newest."""

    before: Annotated[int, msgspec.Meta(ge=1)] | None = None


class SessionLine(msgspec.Struct, frozen=True):
    """One conversation. `undelivered` messages wait to be fetched or sent."""

    id: SessionId
    agent: str
    channel: str
    customer: str
    status: str
    turns: int
    undelivered: int
    opened_at_us: int
    last_at_us: int


class SessionList(msgspec.Struct, frozen=True):
    """A page of conversations, the newest first."""

    sessions: tuple[SessionLine, ...]
    next_before: int | None


class Spoken(msgspec.Struct, frozen=True):
    """A message. `side` is `customer` or `agent`; `text` is None once erased.

    `state` is what became of it: `queued`, `joined`, `answered` or `rejected` for a customer's, `delivered`, `failed`
    or `undelivered` for an agent's.
    """

    id: str
    side: str
    kind: str
    text: str | None
    at_us: int
    state: str
    run: str | None
    turn: str | None


class SessionPage(msgspec.Struct, frozen=True):
    """A conversation. `is_whole` is false when its beginning is left out, so long is it. `handovers`: where a person is
    awaited in it."""

    session: SessionLine
    is_whole: bool
    messages: tuple[Spoken, ...]
    handovers: tuple[HandedOver, ...] = ()


async def listing(visit: Visit) -> SessionList:
    """The conversations of this scope."""
    before = visit.query(Wanted).before
    found = visit.runtime.sessions.list(visit.scope, visit.actor, limit=PAGE, before=before)
    return SessionList(tuple(map(_line, found)), found[-1].first_seq if len(found) == PAGE else None)


async def show(visit: Visit) -> SessionPage:
    """The conversation of the path. Raises NotFound (`session_unknown`)."""
    session = visit.runtime.sessions.get(visit.scope, SessionId(visit.part("session")), visit.actor)
    first = max(0, session.length - RECORDS_MAX)
    messages = tuple(_messages(session.records(first)))
    return SessionPage(_line(session.summary()), first == 0, messages, open_handovers(visit, session.id))


def _line(session: SessionSummary) -> SessionLine:
    return SessionLine(
        session.id,
        session.agent,
        session.channel,
        session.customer,
        session.standing,
        session.turns,
        session.undelivered,
        session.opened_at_us,
        session.last_at_us,
    )


def _messages(records: tuple[RecordView, ...]) -> Iterator[Spoken]:
    refused = {
        record.control["run"]
        for record in records
        if record.type == "turn_closed" and record.control["outcome"] == "refused"
    }
    turns = {
        message: (record.control["turn"], None if record.control["run"] in refused else record.control["run"])
        for record in records
        if record.type == "turn_opened"
        for message in record.control["messages"]
    }
    settled = {
        record.control["message"]: record.control["outcome"]
        for record in records
        if record.type == "delivery_settled" and record.control["outcome"] != "retry"
    }
    for record in records:
        control: Any = record.control
        text = None if record.contents is None else _text(record.contents.get("text"))
        if record.type == "message_received":
            turn, run = turns.get(control["message"], (None, control["run"]))
            yield Spoken(
                control["message"], "customer", "message", text, record.ts_us, control["disposition"], run, turn
            )
        elif record.type == "message_queued":
            state = settled.get(control["message"], "undelivered")
            yield Spoken(
                control["message"], "agent", control["kind"], text, record.ts_us, state, control["run"], control["turn"]
            )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


async def erase(visit: Visit) -> Outcome:
    """Forgets the customer of the session of the path. Raises Denied, NotFound."""
    session = visit.runtime.sessions.get(visit.scope, SessionId(visit.part("session")), visit.actor)
    await visit.runtime.people.erase(visit.scope, session.detail().customer, visit.actor)
    return Outcome(f"/console/sessions/{session.id}")
