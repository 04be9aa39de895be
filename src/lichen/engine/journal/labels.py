"""The label of what a call brings: a stranger's words taint whatever is made from them, however the call ends."""

from __future__ import annotations

import msgspec

from lichen.core.deciders.events import Draft
from lichen.core.deciders.run import Call, RunState
from lichen.core.ports.call import Outcome
from lichen.core.words.label import EMPTY, EXTERNAL, THIRD_PARTY, Label, join, without
from lichen.core.words.scope import Scope
from lichen.engine.ports import Services, agent_of


def label_of(services: Services, scope: Scope, state: RunState, call: Call, outcome: Outcome = "failed") -> Label:
    """The label of what a record says of this call in its tool's words: a result, a reason, a failure.

    The tool is that of the version that the run began with, or of a newer one where that is gone; one that is not there
    any more counts as a stranger's. A result that is ok goes without what policy declassified.
    """
    agent = agent_of(services, scope, state) or services.agents.get(state.agent, scope)
    tool = agent.tools.get(call.tool) if agent is not None else None
    if tool is not None and tool.spec.origin != "third_party":
        return EMPTY
    label = Label((THIRD_PARTY + call.tool,), 0)
    return without(label, call.declassified) if outcome == "ok" else label


def said_by(role: str, by: str, *, subject: str) -> Label:
    """The label of a message: nobody vouches for what a program says in somebody else's conversation."""
    return Label((EXTERNAL,)) if role == "service" and by != subject else EMPTY


def labelled(drafts: tuple[Draft, ...], label: Label) -> tuple[Draft, ...]:
    """The drafts, those with words labelled as made from what this label is of."""
    if label == EMPTY:
        return drafts
    return tuple(
        msgspec.structs.replace(draft, label=join(draft.label, label)) if draft.contents else draft for draft in drafts
    )
