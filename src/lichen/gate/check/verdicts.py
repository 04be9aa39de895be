"""From a decision to a verdict: whether what the policies demand is met, missed, or waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, assert_never

import msgspec

from lichen.core.ports.policy import (
    MODEL_METERS,
    RUN_METERS,
    Allow,
    AllowWithConditions,
    Approval,
    AtMost,
    Confirmation,
    Decision,
    Declassify,
    Deny,
    Meters,
    Redact,
    Verdict,
)
from lichen.core.speech.wording import Texts
from lichen.gate.check.conditions import broken_limit, broken_start, is_confirmed, is_granted, own_question
from lichen.gate.check.meters import reservations
from lichen.gate.check.question import Question


class Standing(NamedTuple):
    """How things stand when a decision is made: what the meters have counted, what the runtime itself says, and the
    pseudonym of who asked, should somebody's grant have to be another person's."""

    meters: Meters
    texts: Texts
    requester: Callable[[], str | None]


def enforced(question: Question, decision: Decision, standing: Standing) -> Verdict:
    """The verdict on a decision. It reserves nothing yet."""
    verdict = _of_policy(question, decision, standing)
    asked = own_question(question.check)
    if asked is None or verdict.outcome == "deny" or verdict.confirmation is not None:
        return verdict
    return msgspec.structs.replace(
        verdict, outcome="hold", public_reason=asked.text, confirmation=asked, approval=None, reservations=()
    )


def _of_policy(question: Question, decision: Decision, standing: Standing) -> Verdict:
    digest = question.policies.digest
    match decision:
        case Deny():
            return Verdict("deny", decision.policies, digest, decision.public_reason, decision.operator_reason)
        case Allow():
            return Verdict("allow", decision.policies, digest, reservations=reservations(question.claimed))
        case AllowWithConditions():
            return _conditional(question, decision, standing)
        case _:
            assert_never(decision)


def _conditional(question: Question, decision: AllowWithConditions, standing: Standing) -> Verdict:
    digest, check = question.policies.digest, question.check
    redact: tuple[str, ...] = ()
    declassified: tuple[str, ...] = ()
    held: Approval | None = None
    asked: Confirmation | None = None
    caps: tuple[AtMost, ...] = ()
    for condition in decision.conditions:
        match condition:
            case AtMost() if check.asking is not None and condition.meter in MODEL_METERS:
                caps = (*caps, condition)  # it is made to fit, once it is known how long it is
            case AtMost():
                starting = None if check.starting is None else check.starting()
                if starting is not None and condition.meter in RUN_METERS:
                    broken = broken_start(condition, starting)
                else:
                    broken = broken_limit(condition, question.claimed, standing.meters)
                if broken is not None:
                    public = decision.public_reason or standing.texts.denied
                    return Verdict("deny", decision.policies, digest, public, broken)
            case Approval():
                held = None if is_granted(condition, check, standing.requester()) else condition
            case Confirmation():
                asked = None if is_confirmed(check) else condition
            case Redact():
                redact = condition.fields
            case Declassify():
                declassified = condition.sources
            case _:
                assert_never(condition)
    verdict = Verdict("allow", decision.policies, digest, redact=redact, declassified=declassified, caps=caps)
    if asked is not None:  # who asked says that they want it before anybody else is troubled
        return msgspec.structs.replace(verdict, outcome="hold", public_reason=asked.text, confirmation=asked)
    if held is not None:
        public, reason = decision.public_reason or standing.texts.approval, decision.operator_reason
        return msgspec.structs.replace(
            verdict, outcome="hold", public_reason=public, operator_reason=reason, approval=held
        )
    return msgspec.structs.replace(verdict, reservations=reservations(question.claimed))
