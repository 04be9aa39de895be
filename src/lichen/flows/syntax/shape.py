"""What the keys of a node mean: one operation with its payload, and the keys that say how it is done.

Source: greentic-flow, node shape and compile_flow. `component.exec` may stand beside one more operation key. Of the two
the one written last is the operation, with its payload, as upstream has it; the other is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import Report

EXEC: Final = "component.exec"
MCP: Final = "mcp"

RESERVED: Final = frozenset(
    (
        *("routing", "telemetry", "output", "retry", "timeout", "when", "annotations", "meta", "operation"),
        *("in_map", "out_map", "err_map", "vars_out", "pack_alias", "conversational", "redaction"),
    )
)
"""Keys of a node that are no operation."""

_OPERATION: Final = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*")

_FOREIGN: Final[Mapping[str, str]] = {
    "routes": "Where a node leads is called `routing`",
    "next": "Where a node leads is called `routing`",
    "to": "Where a node leads is called `routing`",
    "assign": "Use `output` to map a node's result",
    "in": "Name the first node in the flow's `start`",
    "out": "A node whose `routing` is `out` ends the flow",
    "channel": "Channels are routed in the settings, and a flow begins at `start`",
    "max_retries": "How often a node is tried is `retry: {attempts: 3}`",
    "type": "The operation is a key itself: `emit.response: {...}`",
    "id": "A node's id is its key under `nodes`",
    "after": "Order nodes with `routing`; `after` belongs to schema_version 1",
}
_LEADING: Final = ("routes", "next", "to")
_ENDS: Final = ("end", "out", "stop", "finish", "done")


class Parts(msgspec.Struct, frozen=True):
    """A node taken apart: its operation key, that key's payload, and the reserved keys."""

    operation: str
    payload: Any
    rest: Mapping[str, Any]


def taken_apart(node: Mapping[str, Any]) -> Parts:
    """The parts of a node that passed `check_shapes`."""
    operation = operations(node)[-1]
    return Parts(operation, node[operation], {key: value for key, value in node.items() if key in RESERVED})


def operations(node: Mapping[str, Any]) -> list[str]:
    """The operation keys of a node, in the order in which they are written."""
    return [key for key in node if key not in RESERVED]


def led(value: Any) -> str:
    """The `routing` that says what somebody wrote in another way: `end`, `[end]`, a node's name. Empty for none."""
    items = cast(list[Any], value) if isinstance(value, list) else [value]
    names = [item for item in items if isinstance(item, str)]
    if len(names) != len(items) or not names:
        return ""
    if all(name in _ENDS for name in names):
        return "routing: out"
    return f"routing: [{', '.join('{out: true}' if name in _ENDS else f'{{to: {name}}}' for name in names)}]"


def _hint(key: str, value: Any) -> str:
    written = (led(value) or "routing: [{to: ...}]") if key in _LEADING else ""
    return f"{_FOREIGN[key]}: write `{written}`." if written else f"{_FOREIGN[key]}."


def check_shapes(document: Document, report: Report) -> None:
    """Notes every node without exactly one operation, and every operation key that is no dotted name."""
    for node_id, node in cast(dict[str, Any], document.value.get("nodes") or {}).items():
        if isinstance(node, dict):
            _check_shape(node_id, cast(dict[str, Any], node), document, report)


def _check_shape(node_id: str, node: Mapping[str, Any], document: Document, report: Report) -> None:
    found = operations(node)
    if len(found) != 1 and not (len(found) == 2 and EXEC in found):
        names = ", ".join(f"`{key}`" for key in found) or "none"
        message = f"Node {node_id!r} must have exactly one operation; it has {names}."
        hints = dict.fromkeys(_hint(key, node[key]) for key in found if key in _FOREIGN)
        step = " ".join(hints) or "Keep one operation; give others their node."
        place = document.at("nodes", node_id, *found[1:2])
        report.error("NodeComponentShape", "operation_count", message, at=place, next_step=step)
        return
    for key in found:
        if not _OPERATION.fullmatch(key):
            message = f"{key!r} of node {node_id!r} names no component or operation."
            step = "Write names joined by dots, such as `messaging.telegram.send`."
            at = document.at("nodes", node_id, key)
            report.error("BadComponentKey", "operation_name", message, at=at, next_step=step)
