"""What a planner is asked: all that one state of a run says, to plan by now or to compare with later."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lichen.core.deciders.run import RunState
from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import ModelHandle
from lichen.core.ports.plan import Left, PlanInput, RunContext, anywhere
from lichen.engine.act import Act
from lichen.engine.brief.attached import read_file
from lichen.engine.brief.contents import answers, inputs, planner_state, results
from lichen.engine.brief.history import Handed, read_history
from lichen.engine.brief.memory import Past
from lichen.engine.brief.pages import chains, offered
from lichen.engine.journal.attributes import attributes_of
from lichen.engine.ports import AgentDef


def plan_input(
    act: Act,
    agent: AgentDef,
    *,
    now_us: int,
    model: ModelHandle,
    handed: Handed | None = None,
    may_remember: Callable[[], None] = lambda: None,
    may_enter: Callable[[str, str, str, str], bool] = anywhere,
) -> PlanInput:
    """The input of the plan that is due in the act's state. `model` is how the planner may ask one; `handed` is told
    the label of the earlier words it takes. `may_remember` raises Denied where its person's other conversations are
    none of its business; `may_enter` says which flows and nodes it may come to. Raises ContentErased."""
    state = act.state
    return PlanInput(
        run=run_context(act),
        reason=state.due or "start",
        attempt=state.plan_attempt,
        input=inputs(act, state.inputs),
        results=results(act, state.results),
        answers=answers(act),
        state=planner_state(act),
        tools=() if state.limit or state.is_synthesis else _offered(act, agent),
        left=Left(state.calls_left, left_s(state, now_us), state.tokens_left, state.micro_usd_left),
        limit=state.limit or None,
        model=model,
        history=lambda: read_history(act, handed),
        answer_type=act.answer_type,
        prompt=lambda name: act.services.prompts(act.journal.scope, name),
        memory=Past(act, handed, may_remember),
        file=partial(read_file, act),
        calls_made=state.calls_made,
        waits_made=state.waits_made,
        may_enter=may_enter,
    )


def run_context(act: Act) -> RunContext:
    """Which run this is, where, for whom, as of the act's state."""
    state, journal = act.state, act.journal
    return RunContext(
        scope=journal.scope,
        actor=act.actor,
        run=state.id,
        agent=state.agent,
        session=state.session,
        turn=state.turn,
        step=state.step,
        attributes=attributes_of(journal, state),
        started_at_us=state.started_us,
        now_us=journal.events(act.stream, state.n - 1, 1)[0].ts_us,
    )


def left_s(state: RunState, now_us: int) -> float:
    """The time that is left, and a second more: the run's own deadline comes first."""
    due_us = state.timers.get(state.budget_timer)
    return state.limits.time_s if due_us is None else max(0.0, (due_us - now_us) / 1e6) + 1.0


def _offered(act: Act, agent: AgentDef) -> tuple[ToolSpec, ...]:
    """What the run may call."""
    every = offered(agent, chains(act, agent))
    only = act.state.only
    return tuple([spec for spec in every if spec.name in only or spec.name not in agent.tools]) if only else every
