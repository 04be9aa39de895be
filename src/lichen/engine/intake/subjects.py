"""Subjects: everything that goes on about one ends."""

from __future__ import annotations

from lichen.core.words.ids import RunId, SessionId
from lichen.engine.intake.request import Request
from lichen.engine.intake.runs import cancel
from lichen.engine.intake.sessions import close_session

ALL = 2**31  # rows


async def end_all(request: Request, subject: str) -> None:
    """Closes every session and cancels every run of a subject, a pseudonym."""
    log = request.journal.log
    await log.durable()  # rows are as of the last commit
    for row in log.stream_rows("session", limit=ALL):
        if row.subject == subject and not row.outcome:
            await close_session(request, SessionId(row.id))
    for row in log.stream_rows("run", limit=ALL):
        if row.subject == subject and not row.outcome:
            await cancel(request, RunId(row.id), code="subject_erased")
