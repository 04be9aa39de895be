"""Nodes that lead to other flows and nodes: `flow.call`, `flow.goto`, `flow.return`."""

from __future__ import annotations

from lichen.flows.nodes.steps import Enter, Failed, Heard, Jump, Kind, Leave, Step, Visit


def _call(visit: Visit) -> Step:
    """Runs a flow as a frame of this run. Without `input` it is told what this flow was told."""
    return Enter(visit.target, visit.fields().get("input", visit.frame.entry))


def _again(visit: Visit, heard: Heard) -> Step:
    """The pause before a further attempt is over."""
    return _call(visit) if heard.outcome == "expired" else Failed("wait_cancelled", "", "cancelled")


def _goto(visit: Visit) -> Step:
    """Goes on at `node` of this flow, or in the flow `flow_id`, which takes this one's place."""
    fields = visit.fields()
    node = fields.get("node", fields.get("node_id", ""))
    return Jump(visit.target, str(node), fields.get("input", visit.frame.entry))


def _return(visit: Visit) -> Step:
    return Leave(visit.payload)


CALL = Kind(_call, heard=_again, target="flow")
GOTO = Kind(_goto, target="flow")
RETURN = Kind(_return)
