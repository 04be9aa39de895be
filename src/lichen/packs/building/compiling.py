"""Flows as pack-v1 holds them: lowered, with the symbols of their nodes and components as numbers.

Source: Greentic flow-v1 in pack-v1 (`routing`: End, Reply, Next, Branch, Custom).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never, cast

from lichen.flows.ir import Branch, Custom, End, Flow, Next, Node, Reply, Route, Routing


def compiled(flow: Flow) -> dict[str, Any]:
    """A flow in its intermediate form, by names."""
    extra = {**flow.metadata.extra, **({"parameters": flow.parameters} if flow.parameters else {})}
    metadata = {"title": flow.metadata.title or None, "description": flow.metadata.description or None}
    return {
        "schema_version": "flow-v1",
        "id": flow.id,
        "kind": flow.kind,
        "entrypoints": dict(flow.entrypoints),
        "nodes": [_node(node) for node in flow.nodes.values()],
        "metadata": {
            **{key: value for key, value in metadata.items() if value is not None},
            "tags": list(flow.metadata.tags),
            "extra": extra,
        },
    }


def _node(node: Node) -> dict[str, Any]:
    component = node.component
    told = {"id": component.id, "pack_alias": component.pack_alias, "operation": component.operation}
    written: dict[str, Any] = {
        "id": node.id,
        "component": told,
        "input": {"mapping": node.input},
        "output": {"mapping": {} if node.output is None else node.output},
    }
    if node.errors is not None:
        written["err_map"] = {"mapping": node.errors}
    return {**written, "routing": _routing(node.routing), "telemetry": {"attributes": {}, **node.telemetry}}


def _routing(routing: Routing) -> Any:
    match routing:
        case End():
            return "End"
        case Reply():
            return "Reply"
        case Next(to):
            return {"Next": {"node_id": to}}
        case Branch(on_status, default):
            return {"Branch": {"on_status": dict(on_status), "default": default}}
        case Custom(routes):
            return {"Custom": [_route(route) for route in routes]}
        case _:
            assert_never(routing)


def _route(route: Route) -> dict[str, Any]:
    way: dict[str, Any] = {"to": route.to} if route.to is not None else {}
    way |= {key: True for key, is_so in (("out", route.is_out), ("reply", route.is_reply)) if is_so}
    told = (("status", route.status), ("condition", route.condition))
    return {**way, **{key: value for key, value in told if value is not None}}


def source_of(flow: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a flow of which a pack holds only the intermediate form, to be loaded as any other. What is of
    another type than it should be is left out; whoever loads the document says what is missing then."""
    metadata, entrypoints = _table(flow.get("metadata")), _table(flow.get("entrypoints"))
    extra = _table(metadata.get("extra"))
    optional = {key: metadata.get(key) for key in ("title", "description")}
    return {
        "id": flow["id"],
        "type": flow["kind"],
        "schema_version": 2,
        **{key: value for key, value in optional.items() if value},
        **({"start": entrypoints["default"]} if "default" in entrypoints else {}),
        **({"parameters": extra["parameters"]} if isinstance(extra.get("parameters"), dict) else {}),
        "nodes": {node["id"]: _source_node(node) for node in flow["nodes"]},
    }


def _source_node(node: Mapping[str, Any]) -> dict[str, Any]:
    component = _table(node["component"])
    told, operation, key = {}, component.get("operation"), component.get("id")
    if key == "component.exec" and operation:
        key = operation
    elif operation:
        told["operation"] = operation
    payload = _table(node.get("input")).get("mapping")
    output, errors = _table(node.get("output")).get("mapping"), _table(node.get("err_map")).get("mapping")
    return {
        str(key): payload if payload is not None else {},
        **told,
        **({"output": output} if output else {}),
        **({"err_map": errors} if errors else {}),
        "routing": _source_routing(node.get("routing", "End")),
    }


def _source_routing(routing: Any) -> Any:
    if routing == "Reply":
        return "reply"
    table = _table(routing)
    if not table:
        return "out"
    if "Next" in table:
        return [{"to": _table(table["Next"]).get("node_id")}]
    if "Custom" in table:
        return table["Custom"]
    branch = _table(table.get("Branch"))
    found: list[Any] = [{"status": status, "to": to} for status, to in _table(branch.get("on_status")).items()]
    default = branch.get("default")
    return [*found, *([{"to": default}] if default is not None else [])]


def _table(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
