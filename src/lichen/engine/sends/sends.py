"""What is sent to a session: policy is asked about every message, whatever kind it is of and whoever words it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.policy import Check, Verdict
from lichen.core.words.content import Content
from lichen.core.words.ids import MessageId
from lichen.core.words.label import EMPTY, Label, join
from lichen.core.words.scope import Actor
from lichen.engine.act import Act, SessionAct
from lichen.engine.sends.starts import ruling_of

MUST_ARRIVE = ("question", "answer")  # instead of these something is said; others are left out


class Sends(NamedTuple):
    """The session's drafts, each message with the ruling on it, and what the run's stream is told of a refusal."""

    session: moves.Drafts
    refused: moves.Drafts = ()


def sending(act: Act, session: SessionAct, label: Label = EMPTY) -> Check:
    """The question whether a message of this run may go to its session. `label` is that of what it is made from beside
    what the run has read."""
    return Check(
        scope=act.journal.scope,
        actor=act.actor,
        action="message.send",
        resource=session.mailbox.channel,
        run=act.state.id,
        session=session.mailbox.id,
        label=join(act.state.label, label),
        language=session.mailbox.language,
    )


def ruled(act: Act, drafts: moves.Drafts) -> Sends:
    """The drafts as policy lets them go, all of one append by one ruling.

    Of a refused message a question or an answer is worded as policy says, anything else is left out.
    """
    if not any(isinstance(draft.control, e.MessageQueued) for draft in drafts):
        return Sends(drafts)
    session = act.session
    assert session is not None, "only a run with a session says something"
    return _as_allowed(session, sending(act, session), drafts)


def announced(session: SessionAct, actor: Actor, drafts: moves.Drafts) -> moves.Drafts:
    """The drafts of what a session is told without a run, as policy lets its agent, `actor`, send them.

    A refusal stands in the session's own stream.
    """
    scope, mailbox = session.journal.scope, session.mailbox
    check = Check(scope, actor, "message.send", mailbox.channel, session=mailbox.id, language=mailbox.language)
    sends = _as_allowed(session, check, drafts)
    return (*sends.session, *sends.refused)


def volunteered(session: SessionAct, actor: Actor, drafts: moves.Drafts, *, label: Label = EMPTY) -> Sends:
    """The drafts of what somebody outside of a session has to say to it, as policy lets `actor` send them. `label` is
    that of what they are made from."""
    scope, mailbox = session.journal.scope, session.mailbox
    check = Check(
        scope, actor, "message.send", mailbox.channel, session=mailbox.id, label=label, language=mailbox.language
    )
    return _as_allowed(session, check, drafts)


def _as_allowed(session: SessionAct, check: Check, drafts: moves.Drafts) -> Sends:
    verdict = session.services.gate.decide(check)
    if verdict.outcome == "allow":
        ruling = ruling_of(check, verdict)
        return Sends(tuple(_with_ruling(draft, ruling) for draft in drafts))
    instead = verdict.public_reason or session.texts.withheld
    sent = session.mailbox.sent
    kept: list[e.Draft] = []
    for draft in drafts:
        if not isinstance(draft.control, e.MessageQueued):
            kept.append(draft)
        elif draft.control.kind in MUST_ARRIVE:
            sent += 1
            queued = msgspec.structs.replace(draft.control, message=MessageId(f"o{sent}"))
            text = Content("text", session.subject, instead.encode())
            kept.append(msgspec.structs.replace(draft, control=queued, contents=(text,)))
    return Sends(tuple(kept), (refusal(session, check, verdict),))


def _with_ruling(draft: e.Draft, ruling: e.Ruling) -> e.Draft:
    if not isinstance(draft.control, e.MessageQueued):
        return draft
    return msgspec.structs.replace(draft, control=msgspec.structs.replace(draft.control, ruling=ruling))


def refusal(asked: Act | SessionAct, check: Check, verdict: Verdict) -> e.Draft:
    """The record of what policy refused a run or a session, for its own stream."""
    refused = e.Refused(
        check.action,
        asked.journal.log.digest(f"resource\x00{check.resource}".encode()).hex(),
        "deny" if verdict.outcome == "deny" else "hold",
        asked.services.new_id("refusal"),
        verdict.policies,
        verdict.policy_digest,
    )
    parts = [("resource", check.resource.encode()), ("operator", verdict.operator_reason.encode())]
    return e.Draft(refused, moves.as_contents(parts, asked.subject))
