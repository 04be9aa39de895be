"""The obligation `check`: asks the gate about a call and appends its verdict in the tick in which it reserved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.policy import NO_FACTS, Check, Verdict
from lichen.core.words import faults
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import CallId
from lichen.engine.act import Act, CallAct
from lichen.engine.acts.secrets import entrusted
from lichen.engine.brief.evidence import evidence_of
from lichen.engine.drafts.ended import do_not, end
from lichen.engine.drafts.held import approval, confirmation, confirmation_asked
from lichen.engine.drafts.telling import release
from lichen.engine.sends.failures import sealed, tell
from lichen.engine.sends.sends import ruled
from lichen.tools.guarded import Guarded

Json = dict[str, Any]


async def check(run: Act, id: CallId) -> None:
    """Performs `check`."""
    act = run.on_call(id)
    if act is None or act.call.phase != "proposed":
        return  # ended, or decided, while this waited for its turn
    gate = act.services.gate
    try:
        question, tool = _question(act), act.tool
    except LichenError as error:
        end(act, e.CallFinished(id, act.call.attempt, "denied", error.code), reason=error.message)
        return
    if isinstance(tool, Guarded) and (refusal := tool.refusal(act.journal.scope)) is not None:
        do_not(act, refusal)  # its facts are not read, and nobody is asked about what cannot be done
        return
    facts = await gate.facts(question) if question.facts is not None else NO_FACTS
    if not _is_wanted(act):
        gate.settle(act.journal.scope, act.state.id, id, paid=False)
        return
    verdict = gate.decide(question, facts)
    faults.hit("check.after")
    _append_verdict(act, question, verdict)


def _is_wanted(act: CallAct) -> bool:
    """Whether the call is still to be decided, once facts were read, and by this very decision."""
    asked = act.call.check
    call = act.look_again()
    return call is not None and call.phase == "proposed" and call.check == asked and not act.state.is_halted


def _question(act: CallAct) -> Check:
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
        facts=_facts(act) if tool.spec.facts_schema is not None else None,
    )


def _facts(act: CallAct) -> Callable[[], Awaitable[Json]]:
    """How the facts of the call are read, however often the gate needs them."""
    tool, arguments = act.tool, act.arguments
    meta = act.meta(tool.spec.timeout_s)

    async def read() -> Json:
        reader = await entrusted(act, tool, "facts") if tool.spec.secrets.facts else tool
        return msgspec.json.decode(await reader.facts(arguments, meta), type=Json)

    return read


def _needs_evidence(act: CallAct) -> bool:
    """A call without effects of a run that read no stranger's text is decided without looking for it."""
    return act.tool.spec.effects != "none" or act.state.label.is_tainted


def _append_verdict(act: CallAct, question: Check, verdict: Verdict) -> None:
    decided = _decided(act, verdict)
    drafts: moves.Drafts = (decided,)
    session: moves.Drafts = ()
    if verdict.outcome == "deny":
        drafts = _denied(act, decided, verdict)
    elif verdict.outcome == "hold" and verdict.confirmation is not None:
        asked = confirmation(act, verdict.confirmation)
        drafts, session = (decided, asked), confirmation_asked(act, asked, verdict.confirmation)
    elif verdict.outcome == "hold":
        drafts = (decided, approval(act, question, verdict))
        session = release(act, verdict.public_reason or act.texts.checking)
    sends = ruled(act, session)
    act.say((*drafts, *sends.refused), sends.session)


def _decided(act: CallAct, verdict: Verdict) -> e.Draft:
    decided = e.Decided(
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
    return e.Draft(decided, moves.as_contents(reasons, act.state.subject))


def _denied(act: CallAct, decided: e.Draft, verdict: Verdict) -> moves.Drafts:
    call = act.call
    if verdict.failure is not None:
        tell(act, f"{call.id} {call.tool}", "policy", verdict.failure)
    parts = [("reason", verdict.public_reason.encode()), *sealed(verdict.failure)]
    finished = e.CallFinished(call.id, call.attempt, "denied", "policy")
    return moves.finish_call(act.state, finished, moves.as_contents(parts, act.state.subject), also=(decided,))
