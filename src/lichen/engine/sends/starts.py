"""Whether a run may begin: policy is asked about every one, and its answer stands in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.policy import Check, RunMeter, Verdict
from lichen.core.words.ids import AgentName
from lichen.core.words.scope import Actor
from lichen.engine.act import Act, SessionAct
from lichen.engine.journal.counts import counted_today


def opener(session: SessionAct) -> Actor:
    """Whoever opened the session, for whom its runs act. Raises ContentErased."""
    return msgspec.json.decode(session.contents(0)["actor"], type=Actor)


def starting_turn(session: SessionAct, person: Actor) -> Check:
    """The question whether what this person said may start a run of the session's agent."""
    mailbox = session.mailbox
    return Check(
        scope=session.journal.scope,
        actor=person,
        action="run.start",
        resource=mailbox.agent,
        session=mailbox.id,
        language=mailbox.language,
        starting=_counted(session, mailbox.subject),
        team=mailbox.team,
    )


def starting_child(parent: Act, agent: AgentName) -> Check:
    """The question whether a run may start one of another agent, of whose label its input is."""
    state = parent.state
    return Check(
        scope=parent.journal.scope,
        actor=parent.actor,
        action="run.start",
        resource=agent,
        run=state.id,
        session=state.session,
        label=state.label,
        language=parent.language,
        starting=_counted(parent, state.subject),
        team=state.team,
    )


def _counted(act: Act | SessionAct, subject: str) -> Callable[[], Mapping[RunMeter, int]]:
    return lambda: counted_today(act.journal, subject, act.services.clock())


def ruling_of(check: Check, verdict: Verdict) -> e.Ruling:
    """What was allowed, as the record of the act has it."""
    return e.Ruling(check.action, verdict.policies, verdict.policy_digest)
