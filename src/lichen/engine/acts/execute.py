"""The obligation `exec`: a call that was allowed gets a place to run in, is made durable, and acts."""

from __future__ import annotations

import asyncio
from typing import Final

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.run import Call
from lichen.core.ports.call import Arguments, NeedsAnswer, NotDone, Produced, produced
from lichen.core.words import faults
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import CallId
from lichen.engine.act import Act, CallAct
from lichen.engine.acts.child import start_child
from lichen.engine.acts.owned import owned
from lichen.engine.acts.places import placed
from lichen.engine.acts.secrets import SecretRefused, handed, refuse
from lichen.engine.asks.beside import Asks
from lichen.engine.brief.pages import check_page
from lichen.engine.brief.terms import terms_of
from lichen.engine.drafts.ended import break_off, do_not, end, succeed
from lichen.engine.drafts.questions import wait_for_answer
from lichen.engine.drafts.showing import shown
from lichen.engine.pace.step import Within
from lichen.tools.entrusted import withheld_in
from lichen.tools.workers.placement import StillRunning

DECISION_AGE_MAX_S: Final = 1.0  # between a decision and its effect, for all that lies between them in this process


async def execute(run: Act, id: CallId) -> None:
    """Performs `exec`: gets a place to run in, makes what must be durable durable, acts, and appends what came of it.

    Raises StillRunning when the tool was cut off and goes on all the same.
    """
    act = run.on_call(id)
    if act is None or act.call.phase not in ("ready", "running"):
        return  # ended, or to be decided again, while this waited for its turn
    if _is_overtaken(act):
        return
    try:
        _, args = act.tool, act.arguments
    except LichenError as error:
        end(act, e.CallFinished(id, act.call.attempt, "failed", error.code), reason=error.message)
        return
    if _is_stopped(act):
        return
    if act.call.effects == "child":
        start_child(act)
        return
    try:
        if not await placed(act):
            return
        used = await handed(act) if act.tool.spec.secrets.call else ()
    except SecretRefused as refused:
        refuse(act, refused)
        return
    except NotDone as error:
        do_not(act, error)
        return
    if used is None or (used and _is_overtaken(act)):
        return
    if act.call.effects != "none" and not await _is_begun(act, used):
        return
    if act.call.effects == "none" and used:
        act.note(*used)
    await _perform(act, args)


async def _is_begun(act: CallAct, used: moves.Drafts) -> bool:
    """Whether a call with effects may act: that it begins, with the secrets `used`, is durable, and nothing came
    between."""
    if act.call.phase == "ready":
        act.say((*used, e.Draft(e.CallStarted(act.call.id, act.call.attempt, act.state.epoch))))
    elif used:
        act.note(*used)
    await act.journal.durable(run=act.state.id, session=act.state.session)
    await act.services.turns.turn(act.journal.scope.tenant)
    await owned(act.services)
    return act.look_again() is not None and not _is_stopped(act) and not _is_overtaken(act)


def _is_overtaken(act: CallAct) -> bool:
    """Whether so much time has passed since a call was decided that it is decided again before it begins.

    Each further decision may be twice as old, so that an overloaded process gets on all the same.
    """
    call = act.call
    age_us = act.services.clock() - call.decided_us
    if age_us <= DECISION_AGE_MAX_S * 1e6 * 2 ** min(call.check - 1, 16):
        return False
    what = "waited" if call.phase == "ready" else "not_done"
    act.note(e.Draft(e.CallProgressed(call.id, call.attempt, what, check=call.check)))
    return True


def _is_stopped(act: CallAct) -> bool:
    """Reads the kill switch at the last moment; a stopped call ends as denied and certainly did not happen."""
    call, state = act.call, act.state
    stop = act.services.gate.is_stopped(act.journal.scope, run=state.id, agent=state.agent, tool=call.tool)
    if stop is not None:
        end(act, e.CallFinished(call.id, call.attempt, "denied", "stopped"), reason=stop)
    return stop is not None


async def _perform(act: CallAct, args: Arguments) -> None:
    began_us = act.services.clock()
    timeout_s = terms_of(act).timeout_s
    limit = Within(timeout_s)
    faults.hit(f"effect.before/{act.call.tool}")
    try:
        data = await _made(act, args, limit, timeout_s)
        check_page(act.tool.spec, args.data, produced(data).result)
    except NotDone as error:
        do_not(act, error)
    except NeedsAnswer as asked:
        wait_for_answer(act, asked)
    except TimeoutError as error:
        break_off(act, "timed_out", "timeout", error)
    except StillRunning as error:
        if limit.is_over:
            break_off(act, "timed_out", "timeout", error)
        raise
    except LichenError as error:
        break_off(act, "failed", error.code, error)
    except Exception as error:  # noqa: BLE001 - a tool may raise anything; of a `once` call nothing is known then
        break_off(act, "failed", f"exception_{type(error).__name__}", error)
    else:
        faults.hit(f"effect.after/{act.call.tool}")
        succeed(act, data, duration_us=act.services.clock() - began_us)


async def _made(act: CallAct, args: Arguments, limit: Within, timeout_s: float) -> bytes | Produced:
    """What the tool gives. What it asks of models meanwhile is over when it is."""
    asks = Asks(act) if act.tool.spec.runs == "loop" else None
    try:
        with shown(act):
            return await limit.of((act.entrusted or act.tool).execute(args, act.meta(timeout_s, asks)))
    finally:
        if asks is not None and asks.under_way:
            await asks.close()


def end_late(run: Act, begun: Call, ended: asyncio.Future[bytes], duration_us: int) -> None:
    """What a call that was cut off came to in the end, if that is still in question."""
    act = run.on_call(begun.id)
    if act is None or act.call.attempt != begun.attempt or act.call.phase not in ("in_doubt", "unknown"):
        return
    act.withheld_late = withheld_in(ended)
    error = ended.exception()
    if error is None:
        succeed(act, ended.result(), duration_us=duration_us, code="late")
    elif isinstance(error, NotDone):
        finished = e.CallFinished(act.call.id, act.call.attempt, "failed", error.code, duration_us=duration_us)
        end(act, finished, reason=error.message)
