"""How conversations stand: what a list of them shows, so that no mailbox is folded for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from lichen.core.deciders.mailbox import MailboxState
from lichen.log.projections.projection import Grown, growing
from lichen.log.store.port import Reading
from lichen.log.store.selection import rows
from lichen.log.store.tables import Op, table

SESSIONS = table(
    "sessions",
    "stream INTEGER",
    "log INTEGER, channel TEXT, standing TEXT, turns INTEGER, undelivered INTEGER, last_us INTEGER",
)

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
