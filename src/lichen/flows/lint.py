"""What a flow that loads may still get wrong: nodes nothing leads to, references to nodes that are not there, templates
that are none, and components this runtime needs to be given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from lichen.core.errors import Invalid
from lichen.flows.compiled import target_of
from lichen.flows.document import Document
from lichen.flows.expr import parse_condition
from lichen.flows.findings import Report
from lichen.flows.ir import Custom, End, Flow, Node, Reply
from lichen.flows.lower_routing import targets
from lichen.flows.nodes import kind_of, operation_of
from lichen.flows.nodes_ask import WAIT
from lichen.flows.reach import Path
from lichen.flows.shape import operations
from lichen.flows.template import TemplateError, parse_template


def examine(flow: Flow, document: Document, report: Report) -> None:
    """Notes warnings about a flow."""
    reached = reachable(flow)
    for node in flow.nodes.values():
        if node.id not in reached:
            message = f"Nothing leads to node {node.id!r}."
            step = "Route a node to it, name it in `entrypoints`, or remove it."
            report.warn("Routing", "node_unreachable", message, at=node.place, next_step=step)
        _check_target(node, flow, report)
        _check_wait(node, report)
        _check_templates(node, flow, document, report)
        _check_conditions(node, flow, document, report)


def reachable(flow: Flow) -> frozenset[str]:
    """The nodes that a walk from the start or an entrypoint may come to."""
    found: set[str] = set()
    open_ends = [flow.start, *flow.entrypoints.values()]
    while open_ends:
        node_id = open_ends.pop()
        if node_id not in found:
            found.add(node_id)
            open_ends.extend(to for to, _ in targets(flow.nodes[node_id].routing))
    return frozenset(found)


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


def _check_templates(node: Node, flow: Flow, document: Document, report: Report) -> None:
    raw = cast(dict[str, Any], document.value["nodes"][node.id])
    for key in ("in_map", "out_map", "output", "err_map", *operations(raw)):
        for steps, text in _texts(raw.get(key), ("nodes", node.id, key)):
            try:
                paths = parse_template(text).paths
            except TemplateError as error:
                message = f"A text of node {node.id!r} is no template: {error}."
                step = "Close every {{ with }} and every block; until then the flow loads and cannot be walked."
                report.warn("Schema", "template_syntax", message, at=document.at(*steps), next_step=step)
            else:
                _check_paths(paths, steps, flow, document, report)


def _check_conditions(node: Node, flow: Flow, document: Document, report: Report) -> None:
    here: tuple[str | int, ...] = ("nodes", node.id)
    if node.when is not None:
        _check_paths(parse_condition(node.when).paths, (*here, "when"), flow, document, report)
    for number, route in enumerate(node.routing.routes if isinstance(node.routing, Custom) else ()):
        if route.condition is not None:
            steps = (*here, "routing", number, "condition")
            _check_paths(parse_condition(route.condition).paths, steps, flow, document, report)


def _check_paths(
    paths: tuple[Path, ...], steps: tuple[str | int, ...], flow: Flow, document: Document, report: Report
) -> None:
    for path in paths:
        if path[0] == "node" and len(path) > 1 and path[1] not in flow.nodes:
            message = f"`{'.'.join(path)}` names node {path[1]!r}, which is not there."
            step = "Name a node of this flow."
            report.warn("MissingNode", "reference_missing", message, at=document.at(*steps), next_step=step)


def _texts(value: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text in a value that could hold a template, with where it stands."""
    if isinstance(value, str) and "{{" in value:
        yield steps, value
    elif isinstance(value, dict):
        for key, inner in cast(dict[str, Any], value).items():
            yield from _texts(inner, (*steps, key))
    elif isinstance(value, list):
        for number, inner in enumerate(cast(list[Any], value)):
            yield from _texts(inner, (*steps, number))
