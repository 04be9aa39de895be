"""Calls of agents: each attempt is a run of its own, which shares what its parent has left and ends with it."""

from __future__ import annotations

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.run import RunState
from lichen.core.ports import overrides
from lichen.core.ports.overrides import Overrides
from lichen.core.ports.plan import Message
from lichen.core.ports.policy import Check, Verdict
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import CallId, child_run, run_stream
from lichen.core.words.label import without
from lichen.engine.act import Act, CallAct
from lichen.engine.acts.turn import acting, pins, start_draft
from lichen.engine.brief.asking import run_context
from lichen.engine.brief.terms import Terms, terms_of
from lichen.engine.journal.whose import whose_run
from lichen.engine.ports import AgentDef, Briefing
from lichen.engine.sends.failures import sealed, told
from lichen.engine.sends.sends import refusal
from lichen.engine.sends.starts import ruling_of, starting_child

# -- beginning ---------------------------------------------------------------------------------------------------


def start_child(act: CallAct) -> None:
    """Starts the run that executes an agent tool's call, in the append that says so.

    It is lent an equal share of the calls and tokens that its parent has left, beside children that are yet to begin.
    """
    parent, call, spec = act.state, act.call, act.tool.spec
    assert spec.agent is not None
    definition = act.services.agents.get(spec.agent, act.journal.scope, whose_run(act.journal, parent))
    if definition is None or parent.depth >= parent.limits.depth or not parent.calls_left:
        code = "agent_unknown" if definition is None else "limit_calls" if not parent.calls_left else "limit_depth"
        act.note(*moves.finish_call(parent, e.CallFinished(call.id, call.attempt, "failed", code)))
        return
    check = starting_child(act, definition.name)
    verdict = act.services.gate.decide(check)
    if verdict.outcome != "allow":
        act.note(*_refused(act, check, verdict))
        return
    args = act.arguments.data
    try:
        asked = _asked(act, args)
    except Exception as error:  # noqa: BLE001 - somebody's function words it
        act.note(*_unworded(act, error))
        return
    child = child_run(parent.id, call.id, call.attempt)
    started = _started(act, definition, ruling_of(check, verdict))
    call_started = e.CallStarted(
        call.id,
        call.attempt,
        parent.epoch,
        child,
        started.limits.calls,
        reserved_tokens=started.limits.tokens,
        due_us=act.services.clock() + int(terms_of(act).timeout_s * 1e6),  # if nobody has to be waited for
        reserved_micro_usd=started.limits.micro_usd or 0,
    )
    act.append({act.stream: (e.Draft(call_started),), run_stream(child): (_first(act, started, asked),)})


def _asked(act: CallAct, args: bytes) -> str:
    """What the child is asked first."""
    return act.tool.message(args, run_context(act)) if isinstance(act.tool, Briefing) else args.decode()


def _unworded(act: CallAct, error: Exception) -> moves.Drafts:
    """The end of a call whose arguments its tool made no message of, in which certainly nothing happened."""
    code = "brief_refused" if isinstance(error, ValueError) else "brief_failed"
    failure = told(act, f"{act.call.id} {act.call.tool}", code, error)
    finished = e.CallFinished(act.call.id, act.call.attempt, "failed", code)
    return moves.finish_call(act.state, finished, moves.as_contents(sealed(failure), act.subject))


def _refused(act: CallAct, check: Check, verdict: Verdict) -> moves.Drafts:
    """The end of a call whose run policy did not let start: it is denied, and certainly nothing happened."""
    finished = e.CallFinished(act.call.id, act.call.attempt, "denied", "policy")
    reason = moves.as_contents([("reason", verdict.public_reason.encode())], act.subject)
    return moves.finish_call(act.state, finished, reason, also=(refusal(act, check, verdict),))


def _started(act: CallAct, definition: AgentDef, ruling: e.Ruling) -> e.RunStarted:
    parent, own = act.state, definition.limits
    limits = msgspec.structs.replace(
        own,
        calls=min(own.calls, moves.share(parent.calls_left, parent)),
        time_s=min(own.time_s, parent.limits.time_s),
        depth=min(own.depth, parent.limits.depth),
        tokens=max(1, min(own.tokens, moves.share(parent.tokens_left, parent))),
        cost_usd=_lent_usd(parent, own.cost_usd),
    )
    return e.RunStarted(
        agent=definition.name,
        subject=parent.subject,
        limits=limits,
        session=parent.session,
        turn=parent.turn,
        parent=e.Parent(parent.id, act.call.id),
        depth=parent.depth + 1,
        pins=pins(act.services, act.journal.scope, definition.name, whose_run(act.journal, parent)),
        requesters=parent.requesters,
        ruling=ruling,
        only=overrides.terms(definition, _held(act)).only,
        team=parent.team,
    )


def _held(act: CallAct) -> Overrides:
    """What the child is held to, since its parent is."""
    return overrides.read(act.journal.overrides_of(act.state.id)).for_children


def _lent_usd(parent: RunState, own: float | None) -> float | None:
    """What a child's models may cost: its own limit, within its share of what its parent has left."""
    left = parent.micro_usd_left
    if left is None:
        return own
    lent = max(1, moves.share(left, parent)) / 1e6
    return lent if own is None else min(own, lent)


def _first(act: CallAct, started: e.RunStarted, asked: str) -> e.Draft:
    """The child's first record: what it is asked, and in whose name it acts."""
    attributes = act.journal.attributes_of(act.state.id)
    actor, held = acting(started.agent, act.actor.subject), overrides.sealed(_held(act))
    draft = start_draft(started, [Message("agent", asked)], actor, attributes, overrides=held)
    return msgspec.structs.replace(draft, label=act.state.label)


# -- ending ------------------------------------------------------------------------------------------------------


def cancel_child(run: Act, id: CallId) -> None:
    """Performs `child-cancel`: tells the run that executes the call to stop, since its parent ends or its time is over.

    A call that is over its time and is not tried again ends at once: its child may take longer to settle what it began.
    """
    act = run.on_call(id)
    if act is None or act.call.phase != "running":
        return  # the child ended while this waited for its turn
    parent, call = act.state, act.call
    child = act.journal.run(call.child or child_run(parent.id, id, call.attempt))
    code = "parent_stopped" if parent.is_over else "timeout"
    told = moves.cancel(child, code, f"parent-{call.attempt}")
    progressed = e.Draft(e.CallProgressed(id, call.attempt, "child_cancelled"))
    drafts: moves.Drafts = (progressed,)
    if not parent.is_over and not _may_retry(act, child, "timeout"):
        drafts = (progressed, *moves.child_late(parent, call, child, act.services.clock() - child.started_us))
    act.journal.append({run_stream(child.id): told, act.stream: drafts})


def tell_parent(child: Act, text: str, value: bytes = b"") -> moves.Drafts:
    """What the parent learns of the end of a child, in the append of that end: its answer, or that it is tried again.
    An answer that has a type is the call's result as it is.

    What the child read, its caller has read, but for sources that policy lets this call's result go without.
    """
    state = child.state
    assert state.parent is not None
    parent = child.on_run(state.parent.run)
    act = parent.on_call(state.parent.call)
    result = moves.as_contents([("result", value or msgspec.json.encode({"answer": text}))], state.subject)
    duration_us = child.services.clock() - state.started_us
    retry_us = 0 if act is None else _retry_us(act, state)
    drafts = moves.child_ended(parent.state, state.parent.call, state, result, duration_us, retry_us=retry_us)
    label = state.label if act is None else without(state.label, act.call.declassified)
    return tuple(msgspec.structs.replace(draft, label=label) for draft in drafts)


def _retry_us(act: CallAct, child: RunState) -> int:
    """When the call of a child that ended is tried again; 0 for never."""
    outcome, code = moves.child_outcome(act.call, child)
    if outcome not in ("failed", "timed_out") or not _may_retry(act, child, code):
        return 0
    terms = _terms(act)
    return act.services.clock() + terms.pause_us(act.call.attempt) if terms is not None else 0


def _may_retry(act: CallAct, child: RunState, code: str) -> bool:
    """Whether a further attempt may follow: the plan asked for it, and nothing in the child may not be repeated."""
    terms, parent = _terms(act), act.state
    if terms is None or child.may_have_acted or parent.is_ending or parent.is_over:
        return False
    return terms.retries_all and terms.may_retry(act.call.attempt, code)


def _terms(act: CallAct) -> Terms | None:
    try:
        return terms_of(act)
    except NotFound:  # also where the words are erased
        return None
