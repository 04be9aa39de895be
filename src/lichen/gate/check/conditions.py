"""From the policies that matched to a decision: the union of what they demand, the strictest of each kind, and
whether it is met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from lichen.core.ports.policy import (
    Allow,
    AllowWithConditions,
    Approval,
    AtMost,
    Check,
    Condition,
    Confirmation,
    Decision,
    Declassify,
    Deny,
    Meters,
    Redact,
    RunMeter,
)
from lichen.core.speech.template import parse, pick
from lichen.core.speech.wording import Texts
from lichen.gate.check.meters import Claim

if TYPE_CHECKING:
    from lichen.gate.cedar.policyset import Ruling
    from lichen.gate.rules.annotations import Terms


CONFIRM_WITHIN_S: Final = 24 * 3600.0  # what a tool's own question waits for its answer


class Telling(NamedTuple):
    """In which language customers are told a reason, and what they are told where no policy gives one."""

    language: str
    texts: Texts


_ENGLISH: Final = Telling("", Texts())


def decision_of(ruling: Ruling, terms: Sequence[Terms], telling: Telling = _ENGLISH) -> Decision:
    """The decision that a ruling over policies with these terms means.

    Two permits that ask for approvals of different roles contradict each other: one call waits for one person.
    """
    if not ruling.is_allowed:
        return _denied(ruling, terms, telling)
    permits = [terms[number] for number in ruling.permits]
    ids = tuple([permit.id for permit in permits])
    if not any(permit.has_conditions for permit in permits):
        return Allow(ids)
    roles = sorted({permit.approval.role for permit in permits if permit.approval})
    if len(roles) > 1:
        reason = f"approval_conflict: the permits ask for approval by {' and by '.join(roles)}."
        return Deny(ids, telling.texts.denied, reason)
    reason = _joined(permit.reason for permit in permits) or f"{', '.join(ids)} allows it under conditions."
    public = _joined(permit.told(telling.language) for permit in permits)
    return AllowWithConditions(ids, _conditions(permits), public, reason)


def _denied(ruling: Ruling, terms: Sequence[Terms], telling: Telling) -> Deny:
    forbids = [terms[number] for number in ruling.forbids]
    errors = [terms[number] for number in ruling.errors]
    ids = tuple(term.id for term in (*forbids, *errors))
    if not ids:
        return Deny((), telling.texts.denied, "no_permit: no policy permits it.")
    public = _joined(forbid.told(telling.language) for forbid in forbids) or telling.texts.denied
    names = ", ".join(ids)
    if not forbids:
        return Deny(ids, public, f"policy_error: nobody can tell whether {names} forbids it; its condition failed.")
    return Deny(ids, public, f"forbidden: {_joined(forbid.reason for forbid in forbids) or f'{names} forbids it.'}")


def _conditions(permits: Sequence[Terms]) -> tuple[Condition, ...]:
    approvals = [permit.approval for permit in permits if permit.approval]
    limits: dict[str, int] = {}
    for limit in (limit for permit in permits for limit in permit.limits):
        limits[limit.meter] = min(limit.limit, limits.get(limit.meter, limit.limit))
    fields = tuple(sorted({field for permit in permits for field in permit.redact}))
    conditions: list[Condition] = [AtMost(meter, limit) for meter, limit in sorted(limits.items())]
    if approvals:
        conditions.insert(0, Approval(approvals[0].role, min(approval.expires_s for approval in approvals)))
    conditions.extend(_questions(permits))
    if fields:
        conditions.append(Redact(fields))
    agreed = frozenset(permits[0].declassify).intersection(*(permit.declassify for permit in permits))
    sources = tuple(sorted(agreed))
    return (*conditions, Declassify(sources)) if sources else tuple(conditions)


def _questions(permits: Sequence[Terms]) -> list[Condition]:
    """One question to the requester, in the words of the first permit that has any."""
    asked = [permit.confirmation for permit in permits if permit.confirmation]
    return [Confirmation(asked[0].text, min(each.expires_s for each in asked))] if asked else []


def own_question(check: Check) -> Confirmation | None:
    """What the tool itself has the requester asked before each call, whatever policy says; None once they agreed."""
    spec = check.tool
    if spec is None or not spec.confirm or check.call is None or check.action != spec.name or is_confirmed(check):
        return None
    asked = parse(spec.confirm).render(lambda each: pick(check.args, (each.name, *each.path)))
    return Confirmation(asked or f"{spec.description} ({spec.name})", CONFIRM_WITHIN_S)


def _joined(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(text for text in texts if text))


# -- whether a condition holds -----------------------------------------------------------------------------------


def broken_limit(limit: AtMost, claimed: Mapping[str, Claim], meters: Meters) -> str | None:
    """Why a call may not be counted on top of what its meter has, or None."""
    claim = claimed.get(limit.meter)
    if claim is None:
        return f"limit: meter {limit.meter} does not count here, so nobody can tell whether it is passed."
    used = meters.used(claim.key)
    if used + claim.amount <= limit.limit:
        return None
    return f"limit: meter {limit.meter} is at {used}, this adds {claim.amount}, and the limit is {limit.limit}."


def broken_start(limit: AtMost, counted: Mapping[RunMeter, int]) -> str | None:
    """Why a run may not begin on top of what was counted today, or None. It counts as one run; what its models will
    take nobody knows, so one of them is begun as long as something is left."""
    used, adds = counted[cast(RunMeter, limit.meter)], int(limit.meter == "customer_runs")
    if used + max(1, adds) <= limit.limit:
        return None
    adding = f", this adds {adds}," if adds else ""
    return f"limit: meter {limit.meter} is at {used}{adding} and the limit is {limit.limit}."


def is_granted(approval: Approval, check: Check, requester: str | None) -> bool:
    """Whether a person of the role, who is no requester of it, agreed to exactly this call.

    A requester's own approval counts where the environment let them give it; a confirmation never does.
    """
    requesters = {*check.requesters, requester}
    return bool(check.digest) and any(
        grant.kind == "approval"
        and grant.role == approval.role
        and grant.digest == check.digest
        and (grant.is_own or grant.by not in requesters)
        for grant in check.grants
    )


def is_confirmed(check: Check) -> bool:
    """Whether a requester said that they want exactly this call."""
    return bool(check.digest) and any(
        grant.kind == "confirmation" and grant.digest == check.digest for grant in check.grants
    )
