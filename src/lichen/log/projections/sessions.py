"""How conversations stand, and whose they are: what lists of them show, so that no mailbox is folded for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.streams import State
from lichen.core.words.ids import SessionId
from lichen.log.projections.projection import Folding, Grown, Projection, growing
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Op, table

SESSIONS = table(
    "sessions",
    "stream INTEGER",
    "log INTEGER, channel TEXT, standing TEXT, turns INTEGER, undelivered INTEGER, last_us INTEGER",
)
PEOPLE = table("people", "log INTEGER, subject TEXT, opened_us INTEGER, session TEXT", "agent TEXT")

_FILTERS = {"channel", "standing"}

Conversation = Literal["closed", "handed", "asked", "busy", "waiting", "quiet"]
"""A session is over, is handed over to a person, its customer was asked something, is owed something, waits for
somebody else, or none of it."""


class SessionRow(NamedTuple):
    """A session: how it stands, its turns so far, messages not delivered yet, and when its last record was made."""

    number: int
    log: int
    channel: str
    standing: Conversation
    turns: int
    undelivered: int
    last_us: int


def conversation(mailbox: MailboxState) -> Conversation:
    """How a conversation stands."""
    if mailbox.is_closed:
        return "closed"
    if mailbox.handover is not None:
        return "handed"
    if mailbox.questions:
        return "asked"
    return "busy" if mailbox.is_owing_customer else "waiting" if mailbox.released else "quiet"


def _fold(grown: Grown) -> Iterable[Op]:
    mailbox = grown.after
    assert isinstance(mailbox, MailboxState)
    values = mailbox.channel, conversation(mailbox), mailbox.turns, len(mailbox.outbox), grown.records[-1].ts_us
    return ((SESSIONS, grown.row[:1], (grown.row.log, *values)),)


VIEW = growing("sessions", (SESSIONS,), _fold, kinds=("session",))


def session_rows(reading: Reading, numbers: Sequence[int]) -> dict[int, SessionRow]:
    """The rows of these sessions by their streams' numbers."""
    found = reading.rows(rows(SESSIONS).among("stream", numbers)) if numbers else []
    return {row[0]: SessionRow(*row) for row in found}


def recent_rows(
    reading: Reading, log: int, *, limit: int, before_us: int | None = None, **equal: str | None
) -> list[SessionRow]:
    """Sessions of a log, the one that something happened in last first; with `before_us` those in which nothing did
    since: the next page. Of those that share the last moment of a page none is left for the next.

    `equal` names columns (`channel`, `standing`) and what they must hold, None for anything. Every row of the log is
    looked at: for a thread of its own.
    """
    wanted = {name: value for name, value in equal.items() if value is not None}
    assert wanted.keys() <= _FILTERS
    which = rows(SESSIONS, log=log, **wanted).backwards("last_us", "stream").first(limit)
    if before_us is not None:
        which = which.bound("last_us", "<", before_us)
    found = [SessionRow(*row) for row in reading.rows(which)]
    if len(found) < limit:
        return found
    same = rows(SESSIONS, log=log, **wanted, last_us=found[-1].last_us).backwards("stream")
    seen = {row.number for row in found}
    return found + [row for each in reading.rows(same) if (row := SessionRow(*each)).number not in seen]


def channel_counts(reading: Reading, log: int) -> dict[str, int]:
    """How many conversations a log has by each channel. Every row of the log is looked at."""
    return reading.totals(rows(SESSIONS, log=log), "channel")


class People(Folding):
    """The conversations of one log, by whom they are with."""

    def __init__(self, log: int, reading: Reading | None) -> None:
        self._log = log

    def count(self, event: e.Event, before: State, after: State, /) -> Iterable[Op]:
        """A conversation begins."""
        assert isinstance(after, MailboxState)
        return ((PEOPLE, (self._log, after.subject, event.ts_us, after.id), (after.agent,)),)


def sessions_of(reading: Reading, log: int, subject: str, agent: str, *, limit: int) -> list[SessionId]:
    """A person's conversations with an agent, the one that began last first."""
    which = rows(PEOPLE, log=log, subject=subject, agent=agent).backwards("opened_us").of("session").first(limit)
    return [SessionId(session) for (session,) in reading.rows(which)]


WHOSE = Projection("people", (PEOPLE,), People, controls=frozenset({e.MailboxOpened}))
