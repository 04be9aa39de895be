"""A flow as what is drawn of it: nodes with their look, ways with what is said on them, where it begins and ends."""

from __future__ import annotations

from typing import Literal, NamedTuple

from lichen.flows.ir import Custom, Flow, Node, Reply
from lichen.flows.read.forks import branches_of
from lichen.flows.read.lower_routing import exits, targets
from lichen.flows.syntax.shape import EXEC
from lichen.flows.text.reach import fields_of

Look = Literal["say", "ask", "approve", "agent", "tool", "state", "flow"]


class Drawn(NamedTuple):
    """A node: what is written on it and how it looks. `is_loose`: nothing leads to it."""

    id: str
    operation: str
    look: Look
    is_loose: bool = False


class Mark(NamedTuple):
    """Where the flow begins or ends: `of` is the node there, `label` the entrypoint or the condition."""

    id: str
    of: str
    what: Literal["start", "end", "reply"]
    label: str = ""


class Way(NamedTuple):
    """From one node to another, under a condition or a status, or always."""

    source: str
    target: str
    label: str = ""


class Graph(NamedTuple):
    """What is drawn. Ways to marks and from marks are not among `ways`."""

    nodes: tuple[Drawn, ...]
    marks: tuple[Mark, ...]
    ways: tuple[Way, ...]


def graph_of(flow: Flow) -> Graph:
    """The graph of a flow. Two routes between the same nodes are one way with both labels."""
    reached = reachable(flow)
    nodes = tuple(
        Drawn(node.id, operation_of(node), _look_of(operation_of(node)), node.id not in reached)
        for node in flow.nodes.values()
    )
    starts = [Mark("start", flow.start, "start")] if flow.nodes else []
    for name, target in flow.entrypoints.items():
        if name != "default" or target != flow.start:
            starts.append(Mark(f"start {name}", target, "start", name))
    ends = [mark for node in flow.nodes.values() for mark in _ends(node)]
    labels: dict[tuple[str, str], list[str]] = {}
    for node in flow.nodes.values():
        for target, label in (*((first, "branch") for first in branches_of(node)), *targets(node.routing)):
            labels.setdefault((node.id, target), []).append(label)
    ways = tuple(Way(source, target, _joined(said)) for (source, target), said in labels.items())
    return Graph(nodes, (*starts, *ends), ways)


def reachable(flow: Flow) -> frozenset[str]:
    """The nodes that a walk from the start or an entrypoint may come to."""
    found: set[str] = set()
    open_ends = [flow.start, *flow.entrypoints.values()] if flow.nodes else []
    while open_ends:
        node_id = open_ends.pop()
        if node_id not in found:
            found.add(node_id)
            node = flow.nodes[node_id]
            open_ends.extend((*branches_of(node), *(to for to, _ in targets(node.routing))))
    return frozenset(found)


def operation_of(node: Node) -> str:
    """What a node does, as its author wrote it."""
    component, payload = node.component, fields_of(node.input)
    if component.id == EXEC:
        of = payload.get("component") or payload.get("component_ref") or ""
        own = "" if component.operation == EXEC else component.operation
        return f"{of} {own or payload.get('operation') or payload.get('op') or ''}".strip() or EXEC
    return f"{component.id} {component.operation}" if component.operation else component.id


def _look_of(operation: str) -> Look:
    """How a node of this operation looks."""
    word = operation.partition(" ")[0]
    for look, names, prefixes in _LOOKS:
        if word in names or word.startswith(prefixes):
            return look
    return "tool"


_LOOKS: tuple[tuple[Look, frozenset[str], tuple[str, ...]], ...] = (
    (
        "say",
        frozenset(("text", "render_text", "template", "card", "templating.handlebars")),
        ("emit.", "messaging.emit"),
    ),
    ("approve", frozenset(("approval.call",)), ("approval.",)),
    ("ask", frozenset(("questions", "qa.process", "slots")), ("session.",)),
    ("agent", frozenset(("agent", "agentic.call")), ("dw.", "agent.", "a2a")),
    ("state", frozenset(("var.set",)), ("state.",)),
    ("flow", frozenset(()), ("flow.",)),
)


def _ends(node: Node) -> list[Mark]:
    said = exits(node.routing)
    if not said:
        return []
    if not isinstance(node.routing, Custom):
        return [Mark(f"end {node.id}", node.id, "reply" if isinstance(node.routing, Reply) else "end")]
    marks: list[Mark] = []
    for what, is_reply in (("end", False), ("reply", True)):
        routes = [route for route in node.routing.routes if route.to is None and route.is_reply is is_reply]
        if routes:
            label = _joined([route.condition or route.status or "" for route in routes])
            marks.append(Mark(f"{what} {node.id}", node.id, "reply" if is_reply else "end", label))
    return marks


def _joined(labels: list[str]) -> str:
    return "" if "" in labels else " · ".join(labels)
