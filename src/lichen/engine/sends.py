"""What leaves a run for its session: policy is asked about every message, whatever kind it is of."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lichen.core import events as e
from lichen.core import moves
from lichen.core.content import Content
from lichen.core.ids import MessageId
from lichen.core.label import EMPTY, Label, join
from lichen.core.policy import Check, Verdict
from lichen.core.run import RunState
from lichen.engine.journal import Journal
from lichen.engine.ports import Services
from lichen.engine.wording import language_of, texts_for

MUST_ARRIVE = ("question", "answer")  # instead of these something is said; others are left out


class Sends(NamedTuple):
    """The session's drafts, each message with the ruling on it, and what the run's stream is told of a refusal."""

    session: moves.Drafts
    refused: moves.Drafts = ()


def sending(journal: Journal, state: RunState, label: Label = EMPTY) -> Check:
    """The question whether a message of this run, which has a session, may go there. `label` is that of what it is made
    from beside what the run has read."""
    assert state.session is not None
    return Check(
        scope=journal.scope,
        actor=journal.actor_of(state.id),
        action="message.send",
        resource=journal.mailbox(state.session).channel,
        run=state.id,
        session=state.session,
        label=join(state.label, label),
        language=language_of(journal, state),
    )


def ruled(services: Services, journal: Journal, state: RunState, session: moves.Drafts) -> Sends:
    """The drafts as policy lets them go, all of one append by one ruling.

    Of a refused message a question or an answer is worded as policy says, anything else is left out.
    """
    if state.session is None or not any(isinstance(draft.control, e.MessageQueued) for draft in session):
        return Sends(session)
    check = sending(journal, state)
    verdict = services.gate.rule(check)
    if verdict.outcome == "allow":
        ruling = e.Ruling(check.action, verdict.policies, verdict.policy_digest)
        return Sends(tuple(_with_ruling(draft, ruling) for draft in session))
    instead = verdict.public_reason or texts_for(services, journal, state).withheld
    sent = journal.mailbox(state.session).sent
    kept: list[e.Draft] = []
    for draft in session:
        if not isinstance(draft.control, e.MessageQueued):
            kept.append(draft)
        elif draft.control.kind in MUST_ARRIVE:
            sent += 1
            queued = msgspec.structs.replace(draft.control, message=MessageId(f"o{sent}"))
            text = Content("text", state.subject, instead.encode())
            kept.append(msgspec.structs.replace(draft, control=queued, contents=(text,)))
    return Sends(tuple(kept), (refusal(services, journal, state, check, verdict),))


def _with_ruling(draft: e.Draft, ruling: e.Ruling) -> e.Draft:
    if not isinstance(draft.control, e.MessageQueued):
        return draft
    return msgspec.structs.replace(draft, control=msgspec.structs.replace(draft.control, ruling=ruling))


def refusal(services: Services, journal: Journal, state: RunState, check: Check, verdict: Verdict) -> e.Draft:
    """The record of what policy refused a run, in the run's own stream."""
    refused = e.Refused(
        check.action,
        journal.log.digest(f"resource\x00{check.resource}".encode()).hex(),
        "deny" if verdict.outcome == "deny" else "hold",
        services.new_id("refusal"),
        verdict.policies,
        verdict.policy_digest,
    )
    parts = [("resource", check.resource.encode()), ("operator", verdict.operator_reason.encode())]
    return e.Draft(refused, moves.as_contents(parts, state.subject))
