"""Steps of a flow: one is added behind another, changed, or taken out, and everything that led there leads on.

Source: greentic-flow, add-step, update-step and delete-step with their codes, which it has in capitals, and its tests
of where a step goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

import msgspec

from lichen.core.words.errors import Conflict, Invalid
from lichen.flows.edit.routes import OUT, Routes, expanded, redirected, routes_of, set_routes, targets_of
from lichen.flows.edit.text import FlowText, mapped, plain, put
from lichen.flows.read.config_flow import NEXT_NODE, is_placeholder
from lichen.flows.syntax.findings import FlowInvalid
from lichen.flows.syntax.shape import operations

Strategy = Literal["splice", "remove-only"]
Predecessors = Literal["error", "splice-all"]
_OLD_SHAPE: Final = ("tool",)


class NewStep(msgspec.Struct, frozen=True):
    """A step to be added: its id, its operation and payload, and where it leads; where nothing says so, it leads where
    the step before it led. `is_strict`: its routes have to name `NEXT_NODE_PLACEHOLDER`."""

    id: str
    operation: str
    payload: Any = msgspec.field(default_factory=dict[str, Any])
    routes: Routes | None = None
    after: str | None = None
    is_strict: bool = False
    more: Mapping[str, Any] = {}  # other keys of the node


class Added(msgspec.Struct, frozen=True):
    """The step as it was added: the id that it got, and the step before it, empty where it is the first."""

    id: str
    after: str


def add_step(text: FlowText, step: NewStep) -> Added:
    """Adds a step behind `after`, else at the end of the way that begins at the flow's start.

    An id that is taken gets `__2`, `__3` and so on. Raises Invalid (`add_step_anchor_missing`,
    `add_step_node_id_placeholder`, `add_step_node_invalid`, `add_step_routing_invalid`, `add_step_routing_missing`,
    `route_target_missing`, `operation_required`).
    """
    _check(step, text.path)
    id = _free(step.id, text)
    after = step.after if step.after is not None else _last(text)
    before = _before(text, step, after)
    node = mapped({step.operation: step.payload, **step.more})
    set_routes(node, before if step.routes is None else expanded(step.routes, before))
    if after:
        text.insert(id, node, after=after)
        set_routes(text.node(after, code="add_step_anchor_missing"), [{"to": id}])
    else:
        text.nodes[id] = node
    _whole(text)
    return Added(id, after)


def _check(step: NewStep, path: str) -> None:
    if is_placeholder(step.id):
        message = f"{step.id!r} is a placeholder, no id of a node."
        raise _no_step("add_step_node_id_placeholder", message, "Give the node an id of its own.", path)
    if not step.operation.strip():
        raise _no_step("operation_required", "The step says not what it does.", "Name an operation.", path)
    if step.operation in _OLD_SHAPE:
        message = f"`{step.operation}` is the shape of an older version, no operation."
        raise _no_step("add_step_node_invalid", message, "Name the operation itself.", path)
    if step.is_strict and not any(route.get("to") == NEXT_NODE for route in step.routes or ()):
        message = f"The step's routing does not say {NEXT_NODE}."
        raise _no_step("add_step_routing_invalid", message, f"Write routing: [{{to: {NEXT_NODE}}}].", path)


def _free(id: str, text: FlowText) -> str:
    taken, number = set(map(str, text.nodes)), 2
    found = id
    while found in taken:
        found, number = f"{id}__{number}", number + 1
    return found


def _last(text: FlowText) -> str:
    """The last node of the way from the start, as long as each leads to one node only; empty in a flow without any."""
    id, seen = text.flow.start, set[str]()
    while id and id not in seen:
        seen.add(id)
        routes = routes_of(text.node(id, code="add_step_anchor_missing")) or []
        following = targets_of(routes)
        if len(routes) != 1 or not following or following[0] in seen:
            return id
        id = following[0]
    return id


def _before(text: FlowText, step: NewStep, after: str) -> Routes:
    """Where the step before led. Raises Invalid (`add_step_anchor_missing`, `add_step_routing_missing`)."""
    if not after:
        return list(OUT)
    routes = routes_of(text.node(after, code="add_step_anchor_missing"))
    if routes is None and step.routes is None:
        message = f"Node {after!r} does not say where it leads, so neither can the step."
        step_text = "Say where the step leads: --routing-out, --routing-reply or --routing-next."
        raise _no_step("add_step_routing_missing", message, step_text, text.path)
    return list(OUT) if routes is None else routes


# -- changes -------------------------------------------------------------------------------------------------------


class Changed(msgspec.Struct, frozen=True):
    """What changes of a step: its operation, members of its payload, where it leads."""

    operation: str | None = None
    payload: Mapping[str, Any] = {}
    routes: Routes | None = None


def update_step(text: FlowText, id: str, change: Changed) -> None:
    """Changes a step; what `change` says nothing of stays. Raises Invalid (`step_missing`, `payload_required`)."""
    node = text.node(id, code="step_missing")
    operation = operations(cast("dict[str, Any]", plain(node)))[-1]
    if change.payload:
        if not isinstance(node[operation], dict):
            message = f"The payload of node {id!r} is no object, so no member of it can change."
            raise _no_step("payload_required", message, "Write the payload as an object first.", text.path)
        for key, value in change.payload.items():
            node[operation][key] = mapped(value)
    if change.operation is not None and change.operation != operation:
        place = list(node).index(operation)
        payload = node.pop(operation)
        put(node, place, change.operation, payload)
    if change.routes is not None:
        set_routes(node, expanded(change.routes, routes_of(node) or list(OUT)))
    _whole(text)


def delete_step(
    text: FlowText, id: str, *, strategy: Strategy = "splice", predecessors: Predecessors = "error"
) -> tuple[str, ...]:
    """Takes a step out; with `splice` what led to it leads where it led, also where the flow begins. The nodes that
    lead elsewhere now. Raises Invalid (`step_missing`, `route_target_missing`, `entrypoint_missing`), Conflict
    (`several_predecessors`)."""
    node = text.node(id, code="step_missing")
    instead = routes_of(node) or list(OUT)
    leading = [name for name, each in text.nodes.items() if name != id and id in targets_of(routes_of(each) or [])]
    if strategy == "splice":
        if len(leading) > 1 and predecessors == "error":
            message = f"Several nodes lead to {id!r}: {', '.join(leading)}."
            step = "Say --if-multiple-predecessors splice-all."
            raise Conflict(message, code="several_predecessors", next_step=step, place=text.path)
        onward = [route for route in instead if route.get("to") != id]
        for name in leading:
            set_routes(text.nodes[name], redirected(cast(Routes, routes_of(text.nodes[name])), id, onward))
        _begin_after(text, id, targets_of(onward))
    del text.nodes[id]
    _whole(text)
    return tuple(leading) if strategy == "splice" else ()


def _begin_after(text: FlowText, gone: str, following: list[str]) -> None:
    """What began at the node that is gone begins at the one behind it, if there is one."""
    first = following[0] if following else None
    named = text.document.get("entrypoints")
    entries = cast("dict[str, Any]", named) if isinstance(named, dict) else {}
    holders = [(text.document, "start"), *((entries, key) for key in list(entries))]
    for holder, key in holders:
        if holder.get(key) != gone:
            continue
        if first is None:
            del holder[key]
        else:
            holder[key] = first


def _whole(text: FlowText) -> None:
    """Raises Invalid with upstream's code for a change that leaves no flow."""
    try:
        text.checked()
    except FlowInvalid as error:
        step, place = error.next_step, error.place or text.path
        match error.code:
            case "node_missing":
                raise _no_step("route_target_missing", error.message, step, place) from None
            case "start_missing":
                raise _no_step("entrypoint_missing", error.message, step, place) from None
            case "operation_count" | "operation_name" | "node_id":
                raise _no_step("add_step_node_invalid", error.message, step, place) from None
            case _:
                raise


def _no_step(code: str, message: str, next_step: str, place: str) -> Invalid:
    return Invalid(message, code=code, next_step=next_step, place=place)
