"""What the gate is asked about a call, and the record of its verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.policy import Check, Verdict
from lichen.engine.act import CallAct
from lichen.engine.brief.evidence import evidence_of

ReadFacts = Callable[[], Awaitable[dict[str, Any]]]


def asked(act: CallAct, facts: ReadFacts | None = None) -> Check:
    """The question whether a call may be made. `facts` reads those of its tool, where it has any.

    Raises NotFound, ContentErased.
    """
    state, call, tool = act.state, act.call, act.tool
    return Check(
        scope=act.journal.scope,
        actor=act.actor,
        action=tool.spec.name,
        resource=tool.spec.name,
        run=state.id,
        call=call.id,
        session=state.session,
        tool=tool.spec,
        args=act.arguments.fields,
        label=state.label,
        evidence=evidence_of(act) if _needs_evidence(act) else (),
        grants=call.grants,
        requesters=state.requesters,
        digest=call.digest,
        language=act.language,
        facts=facts,
    )


def _needs_evidence(act: CallAct) -> bool:
    """A call without effects of a run that read no stranger's text is decided without looking for it."""
    return act.tool.spec.effects != "none" or act.state.label.is_tainted


def decided(act: CallAct, verdict: Verdict) -> e.Draft:
    """The record of a verdict, with what it was made from."""
    made = e.Decided(
        call=act.call.id,
        check=act.call.check,
        verdict=verdict.outcome,
        policies=verdict.policies,
        policy_digest=verdict.policy_digest,
        reservations=verdict.reservations if verdict.outcome == "allow" else (),
        redact=verdict.redact,
        declassified=verdict.declassified,
        withheld=act.withheld,
    )
    reasons = [
        ("facts", msgspec.json.encode(verdict.facts) if verdict.facts else b""),
        ("origins", msgspec.json.encode(verdict.origins) if verdict.origins else b""),
        ("public", verdict.public_reason.encode()),
        ("operator", verdict.operator_reason.encode()),
    ]
    return e.Draft(made, moves.as_contents(reasons, act.state.subject))
