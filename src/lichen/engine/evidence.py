"""What accepted sources said in a run: the customer's own words, and record fields of tools.

The gate endorses an argument that equals one of these values, whatever a model claims.
"""

from __future__ import annotations

import msgspec

from lichen.core import events as e
from lichen.core.ids import run_stream
from lichen.core.plan import History
from lichen.core.policy import Evidence
from lichen.core.run import RunState
from lichen.engine.history import read_history
from lichen.engine.journal import Journal
from lichen.engine.plans import inputs
from lichen.engine.ports import Services
from lichen.gate.labels import evidence_from_json, evidence_from_text


async def evidence_of(services: Services, journal: Journal, state: RunState) -> tuple[Evidence, ...]:
    """Everything an argument of this run's calls may be matched against, newest first."""
    history = await read_history(services, journal, state)
    customer = f"customer:{state.subject}"
    spoken = [m for m in (*inputs(journal, state.id, (0,)), *history.messages) if m.role in ("customer", "operator")]
    spoken += [m for step in history.steps for m in step.inputs]
    found = [evidence_from_text(customer, message.text) for message in spoken]
    found += [evidence_from_text(customer, text) for text in _answers(history)]
    found += _records(services, journal, state)
    return tuple(found)


def _answers(history: History) -> list[str]:
    """What the customer wrote when asked."""
    bodies = [answer.body for step in history.steps for answer in step.answers if answer.body]
    return [str(msgspec.json.decode(body).get("text", "")) for body in bodies]


def _records(services: Services, journal: Journal, state: RunState) -> list[Evidence]:
    """The record fields of every result of the run."""
    agent = services.agents.get(state.agent)
    stream = run_stream(state.id)
    tools: dict[str, str] = {}
    found: list[Evidence] = []
    for event in journal.log.events(stream):
        control = event.control
        if isinstance(control, e.Planned):
            tools.update({call.id: call.tool for call in control.calls})
        elif isinstance(control, e.CallFinished) and control.outcome == "ok" and agent is not None:
            spec = next((t.spec for t in agent.tools.values() if t.spec.name == tools[control.call]), None)
            if spec is None:
                continue
            fields = None if spec.origin == "records" else spec.record_fields
            data = journal.log.contents(stream, event.n).get("result", b"{}")
            found.append(evidence_from_json(f"tool:{spec.name}", data, fields))
    return found
