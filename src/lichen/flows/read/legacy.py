"""Older ways to write a flow, read as if written today, with a warning for each.

`schema_version: 1` orders nodes with `after` and has keys of its own; routes that say `next` mean `to`. Its
`${inputs.x}`, `${context.x}`, `${node.input.x}` and `${node.output.x}` stay as they are in payloads, where templates
know them; `${data.x}` of an `output` is its `{{result.x}}`. `outputs` is what the flow gives, and `redaction` of a node
names the fields of its result that nobody is shown.

Source: greentic-secrets packs, greentic-demo packs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, cast

import msgspec

from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import FlowInvalid, Report
from lichen.flows.syntax.shape import EXEC, RESERVED, operations
from lichen.flows.text.reach import fields_of

_REFERENCE: Final = re.compile(r"\$\{\s*([^{}]*?)\s*\}")
_RESULT: Final = re.compile(r"\$\{\s*data\.([^{}]+?)\s*\}")
_TEST: Final = re.compile(r"\$\{\s*([^{}?]+?)\s*\?\s*true\s*:\s*false\s*\}")


def version_of(document: Document) -> int:
    """The `schema_version` of a document, 2 when it has none that can be read."""
    found = document.value.get("schema_version")
    return found if isinstance(found, int) and not isinstance(found, bool) else 2


def check_form(document: Document, report: Report) -> None:
    """Notes what makes a document a flow of no version or of the first one. Raises FlowInvalid where no node can be
    read: not a mapping, nodes as a list or as something else."""
    value, at = document.value, document.at
    if not isinstance(value, dict):
        message = "A flow is a mapping with `id`, `type` and `nodes`."
        raise report.refuse("Schema", "flow_not_mapping", message, at=at(), next_step="Write these keys first.")
    root = cast(dict[str, Any], value)
    _check_first_format(root, document, report)
    if root.get("type") is None:
        message = "The flow lacks `type`."
        step = "Add `type: messaging`, or event, job, http, component-config."
        report.error("Schema", "type_missing", message, at=at("type"), next_step=step)
    if isinstance(root.get("nodes"), list):
        raise _list_form(document, report)
    if root.get("nodes") is not None and not isinstance(root["nodes"], dict):
        message = "The flow has no nodes: `nodes` is a mapping from id to node."
        step = "Write at least one node under `nodes`."
        raise report.refuse("Schema", "nodes_missing", message, at=at("nodes"), next_step=step)


def _check_first_format(root: Mapping[str, Any], document: Document, report: Report) -> None:
    """Notes `connections`, which hold the ways between nodes in flows of the first days."""
    if "connections" not in root:
        return
    leads = [
        f"{source}: `routing: [{', '.join(f'{{to: {to}}}' for to in cast(list[Any], targets))}]`"
        for source, targets in fields_of(root["connections"]).items()
        if isinstance(targets, list) and targets
    ]
    message = "This is a flow of the first format: `connections` and `channels` are not read today."
    step = "Say in each node where it leads" + (f", {leads[0]}" if leads else "")
    step += "; give each node one operation, and route channels in the settings."
    report.error("Schema", "first_format", message, at=document.at("connections"), next_step=step)


def _list_form(document: Document, report: Report) -> FlowInvalid:
    first: Any = next(iter(document.value["nodes"]), None)
    known = cast(dict[str, Any], first) if isinstance(first, dict) else {}
    node_id, kind = known.get("id", "start"), known.get("type", known.get("component", "emit.response"))
    message = "`nodes` is a list here; it is a mapping from node id to node."
    step = f"Write `nodes: {{{node_id}: {{{kind}: {{...}}, routing: [{{to: ...}}]}}}}`, and edges as `routing`."
    return report.refuse("Schema", "nodes_are_a_list", message, at=document.at("nodes"), next_step=step)


def modernised(document: Document, report: Report) -> Document:
    """The document as version 2 would say it. Places stay those of the file."""
    root = dict(cast(dict[str, Any], document.value))
    nodes = fields_of(root.get("nodes"))
    root["nodes"] = {node_id: _without_next(node_id, node, document, report) for node_id, node in nodes.items()}
    if version_of(document) < 2:
        at, step = document.at("schema_version"), "Write it as schema_version 2: `routing` and {{...}}."
        message = "schema_version 1 is read in a tolerant way: unknown keys of nodes are not executed."
        report.warn("Schema", "legacy_version", message, at=at, next_step=step)
        root["nodes"] = _of_version_1(root["nodes"], document, report)
    return msgspec.structs.replace(document, value=root)


def _without_next(node_id: str, node: Any, document: Document, report: Report) -> Any:
    if not isinstance(node, dict) or not isinstance(cast(dict[str, Any], node).get("routing"), list):
        return cast(Any, node)
    found = cast(dict[str, Any], node)
    routes: list[Any] = []
    for number, route in enumerate(cast(list[Any], found["routing"])):
        if isinstance(route, dict) and "next" in route and "to" not in route:
            at = document.at("nodes", node_id, "routing", number, "next")
            message = "A route leads `to` a node; `next` is read as `to`."
            report.warn("Routing", "route_next", message, at=at, next_step="Write `to` instead of `next`.")
            known = cast(dict[str, Any], route)
            routes.append({"to" if key == "next" else key: value for key, value in known.items()})
        else:
            routes.append(route)
    return {**found, "routing": routes}


def _of_version_1(nodes: Mapping[str, Any], document: Document, report: Report) -> dict[str, Any]:
    mappings = {node_id: cast(dict[str, Any], node) for node_id, node in nodes.items() if isinstance(node, dict)}
    known = frozenset(mappings)
    order = _order(mappings, document, report) if any("after" in node for node in mappings.values()) else None
    found: dict[str, Any] = {}
    for node_id, node in nodes.items():
        if node_id not in mappings:
            found[node_id] = node
            continue
        new = _node(node_id, mappings[node_id], known, document, report)
        if order is not None and "routing" not in new:
            follower = order[order.index(node_id) + 1 :][:1]
            new["routing"] = [{"to": follower[0]}] if follower else "out"
        found[node_id] = new
    return {node_id: found[node_id] for node_id in order} if order is not None and len(order) == len(found) else found


def _order(nodes: Mapping[str, dict[str, Any]], document: Document, report: Report) -> list[str]:
    """The nodes one after the other, each behind those it says it comes after; otherwise in the order of the file."""
    places = {node_id: number for number, node_id in enumerate(nodes)}
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(nodes, ()))
    for node_id, node in nodes.items():
        after = node.get("after", [])
        for before in cast(list[Any], after if isinstance(after, list) else [after]):
            if before in places:
                sorter.add(node_id, before)
            else:
                message = f"Node {node_id!r} comes after {before!r}, which is not there."
                at = document.at("nodes", node_id, "after")
                report.error("MissingNode", "after_missing", message, at=at, next_step="Name a node of this flow.")
    try:
        sorter.prepare()
    except CycleError as error:
        round_trip = " → ".join(cast(list[str], error.args[1]))
        message = f"The nodes come after each other in a circle: {round_trip}."
        raise report.refuse("Routing", "after_cycle", message, at=document.at("nodes"), next_step="Cut it.") from None
    order: list[str] = []
    ready = list(sorter.get_ready())
    while ready:
        ready.sort(key=places.__getitem__)
        order.append(ready.pop(0))
        sorter.done(order[-1])
        ready.extend(sorter.get_ready())
    return order


def _node(
    node_id: str, node: Mapping[str, Any], known: frozenset[str], document: Document, report: Report
) -> dict[str, Any]:
    operation = EXEC if EXEC in node else next(iter(key for key in operations(node) if key != "after"), None)
    kept = {key: value for key, value in node.items() if key in RESERVED or key == operation}
    dropped = [key for key in node if key not in kept and key != "after"]
    for key in dropped:
        message = f"`{key}` of node {node_id!r} is kept and not executed."
        at = document.at("nodes", node_id, key)
        report.warn(
            "NodeComponentShape", "legacy_key", message, at=at, next_step="Remove it, or express it today's way."
        )
    if "output" in kept:
        kept["output"] = _of_result(kept["output"])
    if isinstance(when := node.get("when"), str):
        kept["when"] = _condition(when, known)
    if isinstance(telemetry := kept.get("telemetry"), dict) and "span" in telemetry:
        hints = cast(dict[str, Any], telemetry)
        kept["telemetry"] = {"span_name" if key == "span" else key: value for key, value in hints.items()}
    return kept


def _of_result(value: Any) -> Any:
    """An output mapping in which `${data.x}` is the field of the component's result."""
    match value:
        case str():
            return _RESULT.sub(r"{{result.\1}}", value)
        case dict():
            return {key: _of_result(inner) for key, inner in cast(dict[str, Any], value).items()}
        case list():
            return [_of_result(inner) for inner in cast(list[Any], value)]
        case _:
            return value


def _condition(text: str, known: frozenset[str]) -> str:
    if match := _TEST.fullmatch(text.strip()):
        return _path(match.group(1), known)
    return _REFERENCE.sub(lambda match: _path(match.group(1), known), text)


def _path(path: str, known: frozenset[str]) -> str:
    root, dot, rest = path.strip().partition(".")
    if root == "inputs":
        return f"entry{dot}{rest}"
    if root in known:
        return f"node.{root}{dot}{rest.removeprefix('output.')}"
    return path.strip()
