"""For whom the version of an agent is chosen: a conversation, so that all of it has the same."""

from __future__ import annotations

from lichen.core.deciders.run import RunState
from lichen.core.words.ids import CHILD_MARK, RunId, SessionId
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import Whose


def whose_run(journal: Journal, state: RunState) -> Whose:
    """Whom a run is of, as those are that it calls: its session, or else the run that all began with."""
    if state.session is not None:
        return whose_session(journal, state.session)
    root = RunId(state.id.partition(CHILD_MARK)[0])
    return Whose(root, (state if root == state.id else journal.run(root)).started_us)


def whose_session(journal: Journal, session: SessionId) -> Whose:
    """A session, and when it was opened."""
    return Whose(session, journal.mailbox(session).opened_us)
