"""What the planner of a flow's run was asked, plan by plan, as its log has it: what a trace is made of."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.run import RunState, evolve, start_state
from lichen.core.ports.plan import CallResult, Message, PlanInput, WaitAnswer
from lichen.core.words.errors import Conflict, Invalid
from lichen.core.words.ids import RunId, run_stream
from lichen.engine.act import Act
from lichen.engine.brief.asking import plan_input
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import AgentDef, Services, agent_of
from lichen.flows.trace.document import Asked, Recorded
from lichen.flows.trace.making import node_digests
from lichen.flows.trace.walking import walked
from lichen.flows.walk.planner import FlowPlanner
from lichen.runtime.redaction import Hide, hiding
from lichen.runtime.replay import Past, no_model


def recorded_run(services: Services, journal: Journal, run: RunId) -> tuple[FlowPlanner, Recorded]:
    """A run of a flow as it is walked again, and the planner that walked it; without what is to be shown to nobody.

    Raises Invalid (`trace_no_flow`), Conflict (`trace_version_gone`, `trace_diverged`), ContentErased.
    """
    state = start_state(run)
    hide = hiding(journal.log, run_stream(run))
    planner: FlowPlanner | None = None
    first: PlanInput | None = None
    plans: list[Asked] = []
    noted: list[list[str]] = []
    for record in journal.log.records(run_stream(run)):
        control = record.control
        if isinstance(control, e.Planned) and not control.error and state.wants_plan(control.step, control.attempt):
            agent = _agent(services, journal, state)
            planner = _planner(agent)
            asked = plan_input(Act(services, Past(journal, state), state), agent, now_us=record.ts_us, model=no_model)
            first = first or asked
            contents = journal.log.contents(record.stream, record.n)
            noted.append(msgspec.json.decode(contents.get("notes", b"[]"), type=list[str]))
            plans.append(_asked(asked, control, hide))
        state = evolve(state, record.event)
    if planner is None or first is None:
        raise _no_flow()
    recorded = Recorded(
        agent=planner.flow.id,
        steps=0,
        nodes=node_digests(planner.flows.values()),
        run=first.run,
        effects={spec.name: spec.effects for spec in first.tools},
        plans=tuple(
            msgspec.structs.replace(asked, forbidden=forbidden)
            for asked, forbidden in zip(plans, planner.refused(noted), strict=True)
        ),
    )
    again = walked(planner, recorded)
    if [hide(note) for plan in again.plans for note in plan.notes] != [hide(note) for notes in noted for note in notes]:
        step = "Trace a run in which no hidden value decides where it goes."
        message = "Walked again, the flow takes another way than the run did."
        raise Conflict(message, code="trace_diverged", next_step=step)
    return planner, recorded


def _agent(services: Services, journal: Journal, state: RunState) -> AgentDef:
    """The agent as it was when the run began. Raises Conflict (`trace_version_gone`)."""
    agent = agent_of(services, journal.scope, state) or services.agents.get(state.agent, journal.scope)
    if agent is None or agent.digest != state.pins.agent:
        message = "The flow as it was when the run began is not hosted any more."
        raise Conflict(message, code="trace_version_gone", next_step="Trace runs before the flow is changed.")
    return agent


def _planner(agent: AgentDef) -> FlowPlanner:
    if not isinstance(agent.planner, FlowPlanner):
        raise _no_flow()
    return agent.planner


def _no_flow() -> Invalid:
    message = "The run visited no node: its agent is no flow, or it has not begun."
    return Invalid(message, code="trace_no_flow", next_step="Name a run whose agent is a flow: `lichen runs list`.")


def _asked(asked: PlanInput, control: e.Planned, hide: Hide) -> Asked:
    return Asked(
        reason=asked.reason,
        step=asked.run.step,
        now_us=asked.run.now_us,
        input=tuple(_shown_message(message, hide) for message in asked.input),
        results=tuple(_shown_result(result, hide) for result in asked.results),
        answers=tuple(_shown_answer(answer, hide) for answer in asked.answers),
        limit=asked.limit,
        has_tools=bool(asked.tools),
        calls_made=asked.calls_made,
        waits_made=asked.waits_made,
        calls=len(control.calls),
        waits=control.waits,
    )


def _shown_message(message: Message, hide: Hide) -> Message:
    return msgspec.structs.replace(message, text=hide(message.text), data=hide(message.data))


def _shown_result(result: CallResult, hide: Hide) -> CallResult:
    shown = {"args": _shown(result.args, hide), "data": _shown(result.data, hide), "reason": hide(result.reason)}
    return msgspec.structs.replace(result, **shown, example=b"", reminder="", issues=())


def _shown_answer(answer: WaitAnswer, hide: Hide) -> WaitAnswer:
    return msgspec.structs.replace(answer, body=_shown(answer.body, hide))


def _shown(data: bytes, hide: Hide) -> bytes:
    """JSON as it may be shown."""
    try:
        value: Any = msgspec.json.decode(data) if data else None
    except (msgspec.DecodeError, RecursionError):
        return hide(data.decode("utf-8", "replace")).encode()
    return b"" if value is None and not data else msgspec.json.encode(hide(value))
