"""Messages whose way ended undelivered or in doubt: what a person, or their platform, says became of them after all."""

from __future__ import annotations

from typing import Final, Literal, cast

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.mailbox import OUTBOX_MAX
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Unavailable
from lichen.core.words.ids import MessageId, SessionId, session_stream
from lichen.core.words.scope import CHANNEL, Actor
from lichen.engine.intake.request import Request
from lichen.engine.journal.journal import Journal
from lichen.engine.letters.dead import settled_before, unknown
from lichen.log.projections.outbox import STRANDED, OutboxRow

Resolution = Literal["delivered", "again", "dropped"]
"""What a person says of a message: it is there, it is to go again, it is not to go."""

CODE_CHARACTERS_MAX: Final = 64
ALL: Final = 2**31  # rows

_Kind = Literal["answer", "say", "question", "notice", "reply"]


async def stranded(journal: Journal, session: SessionId, message: str) -> OutboxRow:
    """A message that got stuck. Raises NotFound (`letter_unknown`), Conflict (`letter_settled`)."""
    row = await _row(journal, session, message)
    if row is None:
        raise unknown()
    if row.state not in STRANDED or _is_resolved(journal, row):
        raise settled_before()
    return row


async def resolve(request: Request, session: SessionId, message: str, decision: Resolution) -> None:
    """Does what a person says became of a message; returns once that is durable.

    Raises as `stranded`: of two people one was first; Unavailable (`outbox_full`).
    """
    row = await stranded(request.journal, session, message)  # nothing is waited for between this and the append
    if decision == "again" and len(request.journal.mailbox(session).outbox) >= OUTBOX_MAX:
        raise Unavailable("Too many replies of this session were not received.", code="outbox_full")
    resolved = e.DeliveryResolved(
        MessageId(message), row.n, cast(_Kind, row.kind), row.attempts, decision, request.by, request.ruling
    )
    request.append({session_stream(session): (e.Draft(resolved),)})
    await request.journal.durable(session=session)


async def reported(
    journal: Journal, channel: str, session: SessionId, message: str, outcome: Literal["delivered", "failed"], code: str
) -> None:
    """Notes what a platform says later of a message that it was handed: what was in doubt is settled, and what it could
    not deliver after all is a letter. What is known already is no news, nor is what is said of another channel's."""
    row = await _row(journal, session, message)
    if row is None or journal.mailbox(session).channel != channel or _is_resolved(journal, row):
        return
    is_news = row.state in STRANDED if outcome == "delivered" else row.state in ("delivered", "in_doubt")
    if not is_news:
        return
    by = journal.log.name(Actor("service", f"channel:{channel}", (CHANNEL,), auth="system"))
    resolved = e.DeliveryResolved(MessageId(message), row.n, cast(_Kind, row.kind), row.attempts, outcome, by)
    contents = moves.as_contents([("code", code[:CODE_CHARACTERS_MAX].encode())], RETENTION)
    journal.append({session_stream(session): (e.Draft(resolved, contents),)}, actor=by)
    await journal.durable(session=session)


async def drop_all(request: Request, subject: str) -> None:
    """Lets nothing of a subject, a pseudonym, go any more that got stuck."""
    journal = request.journal
    await journal.log.durable()  # rows are as of the last commit
    for row in journal.log.stranded_rows(ALL):
        session = SessionId(row.session)
        await journal.log.load(session_stream(session))
        if journal.mailbox(session).subject == subject and not _is_resolved(journal, row):
            await resolve(request, session, row.message, "dropped")


def code_of(journal: Journal, row: OutboxRow) -> str:
    """Why a message got stuck: the word of whoever said so."""
    stream, log = session_stream(SessionId(row.session)), journal.log
    for key in (f"delivery_doubted/{row.message}/{row.attempts}", f"delivery_settled/{row.message}/{row.attempts}"):
        n = log.find(stream, key)
        control = None if n is None else log.event(stream, n).control
        if isinstance(control, e.DeliveryDoubted | e.DeliverySettled):
            return control.code
    n = log.find(stream, f"delivery_resolved/{row.message}/{row.attempts - 1}")
    return "" if n is None else log.contents(stream, n).get("code", b"").decode()


async def _row(journal: Journal, session: SessionId, message: str) -> OutboxRow | None:
    stream = session_stream(session)
    await journal.log.load(stream)
    await journal.log.durable_stream(stream)  # rows are as of the last commit
    return journal.log.outbox_row(session, message)


def _is_resolved(journal: Journal, row: OutboxRow) -> bool:
    """Whether somebody said what became of it since the last commit."""
    stream = session_stream(SessionId(row.session))
    return journal.log.find(stream, f"delivery_resolved/{row.message}/{row.attempts}") is not None
