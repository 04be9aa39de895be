"""Calls of agents: each attempt is a run of its own, which shares what its parent has left and ends with it."""

from __future__ import annotations

import msgspec

from lichen.core import events as e
from lichen.core import moves
from lichen.core.call import Tool
from lichen.core.ids import CallId, RunId, child_run, run_stream
from lichen.core.label import without
from lichen.core.plan import Message
from lichen.core.policy import Check, Verdict
from lichen.core.run import Call, RunState
from lichen.engine.journal import Journal
from lichen.engine.ports import AgentDef, Briefing, Services, agent_of
from lichen.engine.sends import refusal
from lichen.engine.starts import ruling_of, starting_child
from lichen.engine.terms import Terms, terms_of
from lichen.engine.turns import acting, pins, start_draft
from lichen.log.erasures import Erased

# -- beginning ---------------------------------------------------------------------------------------------------


def start_child(services: Services, journal: Journal, parent: RunState, call: Call, tool: Tool, args: bytes) -> None:
    """Starts the run that executes an agent tool's call, in the append that says so.

    It is lent an equal share of the calls and tokens that its parent has left, beside children that are yet to begin.
    """
    assert tool.spec.agent is not None
    definition = services.agents.get(tool.spec.agent)
    if definition is None or parent.depth >= parent.limits.depth or not parent.calls_left:
        code = "agent_unknown" if definition is None else "limit_calls" if not parent.calls_left else "limit_depth"
        refused = moves.finish_call(parent, e.CallFinished(call.id, call.attempt, "failed", code))
        journal.append({run_stream(parent.id): refused})
        return
    check = starting_child(journal, parent, definition.name)
    verdict = services.gate.rule(check)
    if verdict.outcome != "allow":
        journal.append({run_stream(parent.id): _refused(services, journal, parent, call, check, verdict)})
        return
    child = child_run(parent.id, call.id, call.attempt)
    started = _started(services, journal, parent, call, definition, ruling_of(check, verdict))
    asked = Message("agent", tool.message(args) if isinstance(tool, Briefing) else args.decode())
    person = journal.actor_of(parent.id).subject
    draft = start_draft(started, [asked], acting(definition.name, person), journal.attributes_of(parent.id))
    call_started = e.CallStarted(
        call.id,
        call.attempt,
        parent.epoch,
        child,
        started.limits.calls,
        reserved_tokens=started.limits.tokens,
        due_us=_due_us(services, journal, parent, call, tool),
    )
    journal.append(
        {
            run_stream(parent.id): (e.Draft(call_started),),
            run_stream(child): (msgspec.structs.replace(draft, label=parent.label),),
        },
        actor=f"agent:{parent.agent}",
        turn=parent.turn,
    )


def _refused(
    services: Services, journal: Journal, parent: RunState, call: Call, check: Check, verdict: Verdict
) -> moves.Drafts:
    """The end of a call whose run policy did not let start: it is denied, and certainly nothing happened."""
    finished = e.CallFinished(call.id, call.attempt, "denied", "policy")
    reason = moves.as_contents([("reason", verdict.public_reason.encode())], parent.subject)
    return moves.finish_call(parent, finished, reason, also=(refusal(services, journal, parent, check, verdict),))


def _started(
    services: Services, journal: Journal, parent: RunState, call: Call, definition: AgentDef, ruling: e.Ruling
) -> e.RunStarted:
    own = definition.limits
    limits = msgspec.structs.replace(
        own,
        calls=min(own.calls, moves.share(parent.calls_left, parent)),
        time_s=min(own.time_s, parent.limits.time_s),
        depth=min(own.depth, parent.limits.depth),
        tokens=max(1, min(own.tokens, moves.share(parent.tokens_left, parent))),
    )
    return e.RunStarted(
        agent=definition.name,
        subject=parent.subject,
        limits=limits,
        session=parent.session,
        turn=parent.turn,
        parent=e.Parent(parent.id, call.id),
        depth=parent.depth + 1,
        pins=pins(services, journal, definition.name),
        requesters=parent.requesters,
        ruling=ruling,
    )


def _due_us(services: Services, journal: Journal, parent: RunState, call: Call, tool: Tool) -> int:
    """When the time of this attempt is over, if nobody has to be waited for."""
    return services.clock() + int(terms_of(journal, parent.id, call, tool).timeout_s * 1e6)


# -- ending ------------------------------------------------------------------------------------------------------


def cancel_child(services: Services, journal: Journal, run: RunId, id: CallId) -> None:
    """Performs `child-cancel`: tells the run that executes the call to stop, since its parent ends or its time is over.

    A call that is over its time and is not tried again ends at once: its child may take longer to settle what it began.
    """
    parent = journal.run(run)
    call = parent.calls.get(id)
    if call is None or call.phase != "running":
        return  # the child ended while this waited for its turn
    child = journal.run(call.child or child_run(run, id, call.attempt))
    code = "parent_stopped" if parent.is_over else "timeout"
    told = moves.cancel(child, code, f"parent-{call.attempt}")
    progressed = e.Draft(e.CallProgressed(id, call.attempt, "child_cancelled"))
    drafts: moves.Drafts = (progressed,)
    if not parent.is_over and not _may_retry(services, journal, parent, call, child, "timeout"):
        drafts = (progressed, *moves.child_late(parent, call, child, services.clock() - child.started_us))
    journal.append({run_stream(child.id): told, run_stream(run): drafts})


def tell_parent(services: Services, journal: Journal, state: RunState, text: str) -> moves.Drafts:
    """What the parent learns of the end of a child, in the append of that end: its answer, or that it is tried again.

    What the child read, its caller has read, but for sources that policy lets this call's result go without.
    """
    assert state.parent is not None
    parent = journal.run(state.parent.run)
    result = moves.as_contents([("result", msgspec.json.encode({"answer": text}))], state.subject)
    duration_us = services.clock() - state.started_us
    retry_us = _retry_us(services, journal, parent, state)
    drafts = moves.child_ended(parent, state.parent.call, state, result, duration_us, retry_us=retry_us)
    call = parent.calls.get(state.parent.call)
    label = without(state.label, call.declassified) if call is not None else state.label
    return tuple(msgspec.structs.replace(draft, label=label) for draft in drafts)


def _retry_us(services: Services, journal: Journal, parent: RunState, child: RunState) -> int:
    """When the call of a child that ended is tried again; 0 for never."""
    assert child.parent is not None
    call = parent.calls.get(child.parent.call)
    if call is None:
        return 0
    outcome, code = moves.child_outcome(call, child)
    if outcome not in ("failed", "timed_out") or not _may_retry(services, journal, parent, call, child, code):
        return 0
    terms = _terms(services, journal, parent, call)
    return services.clock() + terms.pause_us(call.attempt) if terms is not None else 0


def _may_retry(services: Services, journal: Journal, parent: RunState, call: Call, child: RunState, code: str) -> bool:
    """Whether a further attempt may follow: the plan asked for it, and nothing in the child may not be repeated."""
    terms = _terms(services, journal, parent, call)
    if terms is None or child.may_have_acted or parent.is_ending or parent.is_over:
        return False
    return terms.retries_all and terms.may_retry(call.attempt, code)


def _terms(services: Services, journal: Journal, parent: RunState, call: Call) -> Terms | None:
    agent = agent_of(services, parent)
    tool = agent.tools.get(call.tool) if agent is not None else None
    try:
        return terms_of(journal, parent.id, call, tool) if tool is not None else None
    except Erased:
        return None
