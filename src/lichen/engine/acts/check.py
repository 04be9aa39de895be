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
from lichen.engine.drafts.decided import asked, decided
from lichen.engine.drafts.ended import do_not, end, goes_on
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
        tool = act.tool
        question = asked(act, _facts(act) if tool.spec.facts_schema is not None else None)
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


def _facts(act: CallAct) -> Callable[[], Awaitable[Json]]:
    """How the facts of the call are read, however often the gate needs them."""
    tool, arguments = act.tool, act.arguments
    meta = act.meta(tool.spec.timeout_s)

    async def read() -> Json:
        reader = await entrusted(act, tool, "facts") if tool.spec.secrets.facts else tool
        return msgspec.json.decode(await reader.facts(arguments, meta), type=Json)

    return read


def _append_verdict(act: CallAct, question: Check, verdict: Verdict) -> None:
    made = decided(act, verdict)
    drafts: moves.Drafts = (made,)
    session: moves.Drafts = ()
    if verdict.outcome == "deny":
        drafts = _denied(act, made, verdict)
    elif verdict.outcome == "hold" and verdict.confirmation is not None:
        wait = confirmation(act, verdict.confirmation)
        drafts, session = (made, wait), confirmation_asked(act, wait, verdict.confirmation)
    elif verdict.outcome == "hold":
        drafts = (made, approval(act, question, verdict))
        session = release(act, verdict.public_reason or act.texts.checking)
    sends = ruled(act, session)
    act.say((*drafts, *sends.refused), sends.session)


def _denied(act: CallAct, decided: e.Draft, verdict: Verdict) -> moves.Drafts:
    call = act.call
    if verdict.failure is not None:
        tell(act, f"{call.id} {call.tool}", "policy", verdict.failure)
    if goes_on(call):
        return (decided, e.Draft(e.CallProgressed(call.id, call.attempt, "in_doubt", "policy")))
    parts = [("reason", verdict.public_reason.encode()), *sealed(verdict.failure)]
    finished = e.CallFinished(call.id, call.attempt, "denied", "policy")
    return moves.finish_call(act.state, finished, moves.as_contents(parts, act.state.subject), also=(decided,))
