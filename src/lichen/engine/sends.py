"""What is sent to a session: policy is asked about every message, whatever kind it is of and whoever words it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lichen.core import events as e
from lichen.core import moves
from lichen.core.content import Content
from lichen.core.ids import MessageId
from lichen.core.label import EMPTY, Label, join
from lichen.core.mailbox import MailboxState
from lichen.core.policy import Check, Verdict
from lichen.core.run import RunState
from lichen.core.scope import Actor
from lichen.engine.journal import Journal
from lichen.engine.ports import Services
from lichen.engine.starts import ruling_of
from lichen.engine.wording import language_of

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
    return _as_allowed(services, journal, journal.mailbox(state.session), sending(journal, state), session)


def announced(
    services: Services, journal: Journal, mailbox: MailboxState, actor: Actor, session: moves.Drafts
) -> moves.Drafts:
    """The drafts of what a session is told without a run, as policy lets its agent, `actor`, send them.

    A refusal stands in the session's own stream.
    """
    check = Check(journal.scope, actor, "message.send", mailbox.channel, session=mailbox.id, language=mailbox.language)
    sends = _as_allowed(services, journal, mailbox, check, session)
    return (*sends.session, *sends.refused)


def _as_allowed(
    services: Services, journal: Journal, mailbox: MailboxState, check: Check, session: moves.Drafts
) -> Sends:
    verdict = services.gate.rule(check)
    if verdict.outcome == "allow":
        ruling = ruling_of(check, verdict)
        return Sends(tuple(_with_ruling(draft, ruling) for draft in session))
    instead = verdict.public_reason or services.wording(journal.scope).of(mailbox.language).withheld
    sent = mailbox.sent
    kept: list[e.Draft] = []
    for draft in session:
        if not isinstance(draft.control, e.MessageQueued):
            kept.append(draft)
        elif draft.control.kind in MUST_ARRIVE:
            sent += 1
            queued = msgspec.structs.replace(draft.control, message=MessageId(f"o{sent}"))
            text = Content("text", mailbox.subject, instead.encode())
            kept.append(msgspec.structs.replace(draft, control=queued, contents=(text,)))
    return Sends(tuple(kept), (refusal(services, journal, mailbox, check, verdict),))


def _with_ruling(draft: e.Draft, ruling: e.Ruling) -> e.Draft:
    if not isinstance(draft.control, e.MessageQueued):
        return draft
    return msgspec.structs.replace(draft, control=msgspec.structs.replace(draft.control, ruling=ruling))


def refusal(
    services: Services, journal: Journal, asked: RunState | MailboxState, check: Check, verdict: Verdict
) -> e.Draft:
    """The record of what policy refused a run or a session, for its own stream."""
    refused = e.Refused(
        check.action,
        journal.log.digest(f"resource\x00{check.resource}".encode()).hex(),
        "deny" if verdict.outcome == "deny" else "hold",
        services.new_id("refusal"),
        verdict.policies,
        verdict.policy_digest,
    )
    parts = [("resource", check.resource.encode()), ("operator", verdict.operator_reason.encode())]
    return e.Draft(refused, moves.as_contents(parts, asked.subject))
