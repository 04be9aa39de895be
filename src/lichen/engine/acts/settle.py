"""The obligation `settle`: finds out whether a call in doubt happened, or has a person say so."""

from __future__ import annotations

import asyncio

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.call import CannotTell, DidNotHappen, GoesOn, Happened, Probe
from lichen.core.words import faults
from lichen.core.words.errors import LichenError
from lichen.core.words.failure import Failure
from lichen.core.words.ids import CallId
from lichen.core.words.label import EMPTY
from lichen.engine.act import Act, CallAct
from lichen.engine.acts.secrets import entrusted
from lichen.engine.brief.terms import terms_of
from lichen.engine.drafts.ended import end, succeed
from lichen.engine.drafts.held import reconciling
from lichen.engine.drafts.telling import release
from lichen.engine.journal.labels import label_of
from lichen.engine.sends.failures import sealed, tell
from lichen.engine.sends.sends import ruled
from lichen.tools.failure import failure_of


async def settle(run: Act, id: CallId, *, let_go: bool) -> None:
    """Performs `settle`. `let_go`: the executor of the call does not run any more."""
    act = run.on_call(id)
    if act is None or act.call.phase != "in_doubt":
        return
    found = await _probe(act)
    faults.hit("probe.after")
    call = act.look_again()
    if call is None or call.phase != "in_doubt":
        return
    match found:
        case Happened(result):
            succeed(act, result, code="probed")
        case DidNotHappen() if let_go:
            _go_again(act)
        case CannotTell(failure) if failure is not None:
            tell(act, f"{id} {call.tool} probe", "probe_failed", failure)
            _unknown(act, failure)
        case _:
            _unknown(act)


async def _probe(act: CallAct) -> Probe:
    try:
        tool, args = act.tool_by_now(), act.arguments
    except LichenError:
        return CannotTell()
    meta = act.meta(tool.spec.timeout_s)
    if isinstance(tool, GoesOn):
        tool.give_up(meta)
    if not tool.spec.has_probe:
        return CannotTell()
    try:
        async with asyncio.timeout(act.services.options.settle_timeout_s):
            prober = await entrusted(act, tool, "probe") if tool.spec.secrets.probe else tool
            return await prober.probe(args, meta)
    except Exception as error:  # noqa: BLE001 - a probe that fails knows nothing
        return CannotTell(failure_of(error))


def _go_again(act: CallAct) -> None:
    """It certainly did not happen: after a crash go again as if nothing had been; else as `retry` says."""
    state, call = act.state, act.call
    if state.cancel or state.failure or state.limit == "time":
        outcome = "cancelled" if state.cancel else "timed_out"
        end(act, e.CallFinished(call.id, call.attempt, outcome, call.doubt))
    elif not call.doubt:
        act.note(e.Draft(e.CallProgressed(call.id, call.attempt, "not_done")))
    elif call.attempt < (terms := terms_of(act)).retry.attempts:
        due_us = act.services.clock() + terms.pause_us(call.attempt)
        act.note(e.Draft(e.CallProgressed(call.id, call.attempt, "retry", call.doubt, due_us)))
    else:
        end(act, e.CallFinished(call.id, call.attempt, "failed", call.doubt))


def _unknown(act: CallAct, failure: Failure | None = None) -> None:
    state, call = act.state, act.call
    finished = e.Draft(
        e.CallFinished(call.id, call.attempt, "unknown", call.doubt or "crash"),
        moves.as_contents(sealed(failure), state.subject),
        label_of(act.services, act.journal.scope, state, call) if failure is not None else EMPTY,
    )
    notice = act.texts.unknown
    sends = ruled(act, release(act, notice, f"unknown/{call.id}"))
    act.say((finished, reconciling(act, notice), *sends.refused), sends.session)
