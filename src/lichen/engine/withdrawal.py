"""What a customer asked for and takes back: the runs of their session that still wait for somebody end."""

from __future__ import annotations

from lichen.core.deciders import moves
from lichen.core.words.ids import RunId, SessionId, StreamId, root_run, run_stream, session_stream
from lichen.engine.acts.finish import WITHDRAWN
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.tree import mirror


def withdraw(journal: Journal, session: SessionId, by: RunId, *, actor: str, id: str) -> int:
    """Cancels the runs of a session that gave their turn back and are not over, but the one this is asked by. Returns
    how many. What is under way is settled as ever."""
    appended: dict[StreamId, moves.Drafts] = {}
    told: moves.Drafts = ()
    for run in journal.mailbox(session).released:
        state = journal.run(run)
        drafts = moves.cancel(state, WITHDRAWN, id) if run != root_run(by) else ()
        if drafts:
            appended[run_stream(run)] = drafts
            told = (*told, *mirror(journal, state, drafts))
    if told:
        appended[session_stream(session)] = told
    if appended:
        journal.append(appended, actor=actor)
    return len(appended) - bool(told)
