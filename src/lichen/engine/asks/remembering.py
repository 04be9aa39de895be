"""Whether a planner may look into the other conversations of its run's person: asked before each look."""

from __future__ import annotations

from collections.abc import Callable

from lichen.core.memory.events import RECALLS
from lichen.core.ports.policy import Check
from lichen.core.words.errors import Denied
from lichen.core.words.label import join
from lichen.engine.act import Act
from lichen.engine.asks.asker import Asker
from lichen.engine.sends.sends import refusal


def remembering(act: Act, asker: Asker) -> Callable[[], None]:
    """Raises Denied (`memory_denied`) where the agent is not declared to remember persons, or policy does not let it
    call the tool that does: what it decides of that tool holds for the planner too."""

    def check() -> None:
        tool = None if act.agent is None else act.agent.tools.get(RECALLS["person"])
        if tool is None:
            step = 'Declare it: Agent(..., memory="person").'
            message = "The agent is not declared to remember persons."
            raise Denied(message, code="memory_denied", next_step=step)
        question = Check(
            scope=act.journal.scope,
            actor=act.actor,
            action=tool.spec.name,
            resource=tool.spec.name,
            run=act.state.id,
            session=act.state.session,
            tool=tool.spec,
            args=tool.decode(b"{}").fields,
            label=join(act.journal.run(act.state.id).label, asker.handed.label),
            requesters=act.state.requesters,
            language=act.language,
        )
        verdict = act.services.gate.decide(question)
        if verdict.outcome != "allow":
            asker.note(refusal(act, question, verdict))
            raise Denied("Policy does not let this agent look back on its person.", code="memory_denied")

    return check
