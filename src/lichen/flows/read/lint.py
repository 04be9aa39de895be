"""What a flow that loads may still get wrong: nodes nothing leads to, references to nodes that are not there, templates
that are none, keys that do nothing, and components this runtime needs to be given."""

from __future__ import annotations

from typing import Any, Final, cast

from lichen.core.words.errors import Invalid
from lichen.flows.ir import End, Flow, Node, Reply
from lichen.flows.nodes.ask import WAIT
from lichen.flows.nodes.flow import GOTO
from lichen.flows.nodes.kinds import kind_of, operation_of
from lichen.flows.read.forks import FORKS, warn_of_branches
from lichen.flows.read.graph import reachable
from lichen.flows.read.lint_texts import check_conditions, check_texts
from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import Report
from lichen.flows.syntax.shape import operations
from lichen.flows.text.reach import fields_of
from lichen.flows.walk.compiled import target_of


def examine(flow: Flow, document: Document, report: Report) -> None:
    """Notes warnings about a flow."""
    _check_top(flow, document, report)
    reached = reachable(flow)
    for node in flow.nodes.values():
        if node.id not in reached:
            message = f"Nothing leads to node {node.id!r}."
            step = "Route a node to it, name it in `entrypoints`, or remove it."
            report.warn("Routing", "node_unreachable", message, at=node.place, next_step=step)
        _check_target(node, flow, report)
        warn_of_branches(node, flow, report)
        _check_wait(node, report)
        _check_terms(node, report)
        _check_payload(node, document, report)
        check_texts(node, flow, document, report)
        check_conditions(node, flow, document, report)


def _check_target(node: Node, flow: Flow, report: Report) -> None:
    try:
        target_of(flow, node)
    except Invalid as error:
        step = f"{error.next_step} Until then the flow loads and cannot be walked."
        report.warn("Schema", "target_missing", error.message, at=node.place, next_step=step)


def _check_wait(node: Node, report: Report) -> None:
    if kind_of(operation_of(node)) is WAIT and isinstance(node.routing, (End, Reply)):
        message = f"Node {node.id!r} waits for a message, and the flow ends when it comes."
        report.warn("Routing", "wait_leads_nowhere", message, at=node.place, next_step="Route it to a node.")


def _check_terms(node: Node, report: Report) -> None:
    """`retry` and `timeout` mean something where the node calls a tool, an agent or a flow; a wait may end in time."""
    kind = kind_of(operation_of(node))
    does = kind.target and kind is not GOTO
    may_take = does or kind.heard is not None or operation_of(node) in FORKS
    for key, is_said, is_meant in (
        ("retry", node.retry.attempts > 1, does),
        ("timeout", node.timeout_s is not None, may_take),
    ):
        if is_said and not is_meant:
            message = f"`{key}` of node {node.id!r} has no effect: the node calls no tool, agent or flow."
            step = f"Remove `{key}`, or put it on the node that calls."
            report.warn("Schema", f"{key}_without_effect", message, at=node.place, next_step=step)


def _check_payload(node: Node, document: Document, report: Report) -> None:
    raw = cast(dict[str, Any], document.value["nodes"][node.id])
    *unread, read = operations(raw)
    for key in unread:
        message = f"`{key}` of node {node.id!r} is not read: of two operations the one written last counts."
        step = f"Remove `{key}`, or write it after `{read}`."
        at = document.at("nodes", node.id, key)
        report.warn("NodeComponentShape", "operation_unread", message, at=at, next_step=step)
    for key in (*unread, read):
        payload = fields_of(raw[key])
        if "routing" in payload and "routing" not in raw:
            usual = fields_of(payload["routing"]).get("default")
            wanted = "routing: out" if usual in ("out", "end") else f"routing: [{{to: {usual or '...'}}}]"
            message = f"`routing` of node {node.id!r} stands inside the payload, so the node leads nowhere."
            step = f"Write `{wanted}` beside `{key}`, not in it."
            at = document.at("nodes", node.id, key, "routing")
            report.warn("Routing", "routing_in_payload", message, at=at, next_step=step)


def _check_top(flow: Flow, document: Document, report: Report) -> None:
    value = cast(dict[str, Any], document.value)
    if not flow.nodes:
        message = "The flow has no nodes: it loads and cannot be walked."
        report.warn("Schema", "nodes_empty", message, at=document.at("nodes"), next_step="Write a node under `nodes`.")
    for key, step in _IGNORED.items():
        if key in value and not (key == "outputs" and flow.outputs is not None):
            message = f"`{key}` at the top is not read."
            named = value[key]
            if key == "in" and isinstance(named, str) and named in flow.nodes:
                message = f"`in` at the top is not read; the flow starts at {flow.start!r}."
                step = f"Write `start: {named}`."
            report.warn("Schema", "key_ignored", message, at=document.at(key), next_step=step)


_IGNORED: Final = {
    "in": "Name the first node in `start`.",
    "outputs": "Map what the flow gives in the last node's `output`; only schema_version 1 has `outputs`.",
    "edges": "Say in each node where it leads: `routing: [{to: ...}]`.",
    "channels": "Route channels in the settings, under `[[tenants.NAME.routes]]`.",
    "triggers": "Route channels in the settings, under `[[tenants.NAME.routes]]`.",
}
