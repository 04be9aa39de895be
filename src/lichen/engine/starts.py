"""Whether a run may begin: policy is asked about every one, and its answer stands in the log."""

from __future__ import annotations

import msgspec

from lichen.core import events as e
from lichen.core.ids import AgentName, SessionId, session_stream
from lichen.core.mailbox import MailboxState
from lichen.core.policy import Check, Verdict
from lichen.core.run import RunState
from lichen.core.scope import Actor
from lichen.engine.journal import Journal
from lichen.engine.wording import language_of


def opener(journal: Journal, session: SessionId) -> Actor:
    """Whoever opened the session, for whom its runs act. Raises Erased."""
    return msgspec.json.decode(journal.log.contents(session_stream(session), 0)["actor"], type=Actor)


def starting_turn(journal: Journal, mailbox: MailboxState, person: Actor) -> Check:
    """The question whether what this person said may start a run of the session's agent."""
    return Check(
        scope=journal.scope,
        actor=person,
        action="run.start",
        resource=mailbox.agent,
        session=mailbox.id,
        language=mailbox.language,
    )


def starting_child(journal: Journal, parent: RunState, agent: AgentName) -> Check:
    """The question whether a run may start one of another agent, of whose label its input is."""
    return Check(
        scope=journal.scope,
        actor=journal.actor_of(parent.id),
        action="run.start",
        resource=agent,
        run=parent.id,
        session=parent.session,
        label=parent.label,
        language=language_of(journal, parent),
    )


def ruling_of(check: Check, verdict: Verdict) -> e.Ruling:
    """What was allowed, as the record of the act has it."""
    return e.Ruling(check.action, verdict.policies, verdict.policy_digest)
