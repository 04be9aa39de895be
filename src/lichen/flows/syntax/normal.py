"""A flow's document in the one form that is hashed: defaults written out, unknown keys of the top left out.

Source: greentic-flow, `FlowDoc` as it is written after loading. The digest of it is the same as upstream's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lichen.flows.text.reach import fields_of

_OPTIONAL: Final = ("title", "description", "start", "meta", "slot_schema")


def normalised(value: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a flow that loads, as upstream keeps it."""
    nodes = fields_of(value.get("nodes"))
    start = value.get("start", "in" if "in" in nodes else None)
    optional = {**{key: value.get(key) for key in _OPTIONAL}, "start": start}
    return {
        "id": value["id"],
        "type": value["type"],
        "parameters": value.get("parameters", {}),
        "tags": value.get("tags", []),
        "schema_version": value.get("schema_version", 2),
        "entrypoints": value.get("entrypoints", {}),
        "nodes": {node_id: _node(fields_of(node)) for node_id, node in nodes.items()},
        **{key: found for key, found in optional.items() if found is not None},
    }


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    telemetry = node.get("telemetry")
    rest = {key: value for key, value in node.items() if key != "telemetry"}
    written = {} if telemetry is None else {"telemetry": _telemetry(fields_of(telemetry))}
    return {"routing": [], **rest, **written}


def _telemetry(hints: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "span_name": hints.get("span_name"),
        "attributes": hints.get("attributes", {}),
        "sampling": hints.get("sampling"),
    }
