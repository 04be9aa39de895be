"""Where a node leads: what its result tells its routes, and which of them is taken.

A success tells `outcome` and `status` of its payload, its own status, `ok`, `on_success`, `on_complete`, `on_submit`; a
failure its code and `timeout`, `denied`, `cancelled` (also `cancel`) or `error` with `on_` before it, in the end always
`on_error`. A failure takes only a route that names one of these or whose condition reads `event`, `status`, `error` or
`ok`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from lichen.flows.ir import Branch, Custom, End, Next, Reply, Route
from lichen.flows.nodes.context import text_of
from lichen.flows.nodes.frames import Frame, Output
from lichen.flows.nodes.steps import Event
from lichen.flows.text.expr import Condition, Values, holds
from lichen.flows.text.reach import fields_of
from lichen.flows.walk.compiled import Ready
from lichen.flows.walk.position import Position

_SUCCESS: Final = ("ok", "success", "on_success", "on_complete", "on_submit")
_ALSO: Final[Mapping[Event, tuple[str, ...]]] = {"cancelled": ("cancel", "on_cancel")}
_READS_FAILURE: Final = ("event", "status", "error", "ok")


class To(NamedTuple):
    """The walk goes on at this node."""

    node: str


class Out(NamedTuple):
    """The flow ends here; with `is_reply` the node's text goes to the customer."""

    is_reply: bool


class Park(NamedTuple):
    """No condition fits: the node waits for a message that makes one."""


class Nowhere(NamedTuple):
    """A failure that no route takes: the flow fails."""


Way = To | Out | Park | Nowhere


def way(
    position: Position,
    frame: Frame,
    ready: Ready,
    output: Output,
    event: Event | None = None,
    *,
    heard: Mapping[str, Any] | None = None,
) -> Way:
    """Where the node that a frame is at leads. `event` of None is a success, `heard` the message that a parked node
    got."""
    roots = _roots(output, event, heard)
    values = position.context(frame, roots, {**fields_of(output.payload), **(heard or {})})
    return _taken(ready, _told(ready, output, event), values, is_failure=event is not None)


def _told(ready: Ready, output: Output, event: Event | None) -> tuple[str, ...]:
    """What a node's result tells its routes, the most telling first. `event` of None is a success."""
    if event is not None:
        own = () if event == "error" else (event, f"on_{event}", *_ALSO.get(event, ()))
        also = () if ready.kind.also is None or own else (ready.kind.also(output.code),)
        return (output.code, *also, *own, "error", "failed", "on_error")
    fields = fields_of(output.payload)
    said = tuple(fields[name] for name in ("outcome", "status") if isinstance(fields.get(name), str))
    return (*said, output.status, *(() if output.status == "skipped" else _SUCCESS))


def _roots(output: Output, event: Event | None, heard: Mapping[str, Any] | None) -> dict[str, Any]:
    """What conditions of routes may read besides the context: `response`, `event`, `status`, `ok`, `error`.

    `heard` is the message that a parked node got: then `response` is that.
    """
    fields = fields_of(output.payload)
    metadata = fields_of(fields.get("metadata"))
    response = heard if heard is not None else {**fields, **metadata, "text": text_of(output.payload)}
    failed = "on_cancel" if event == "cancelled" else f"on_{event}"
    name = "on_submit" if heard is not None else failed if event else "on_success"
    error = {"code": output.code, "message": output.message} if event else None
    return {"response": response, "event": name, "status": output.status, "ok": event is None, "error": error}


def _taken(ready: Ready, statuses: tuple[str, ...], values: Values, *, is_failure: bool) -> Way:
    routing = ready.node.routing
    match routing:
        case Branch(on_status, default):
            fits = next((on_status[status] for status in statuses if status in on_status), None)
            return To(fits) if fits else _otherwise(To(default) if default else Out(is_reply=False), is_failure)
        case Custom(routes):
            return _first(routes, ready.conditions, statuses, values, is_failure=is_failure)
        case End():
            return _otherwise(Out(is_reply=False), is_failure)
        case Reply():
            return _otherwise(Out(is_reply=True), is_failure)
        case Next(to):
            return _otherwise(To(to), is_failure)


def _otherwise(usual: Way, is_failure: bool) -> Way:
    return Nowhere() if is_failure else usual


def _first(
    routes: tuple[Route, ...],
    conditions: tuple[Condition | None, ...],
    statuses: tuple[str, ...],
    values: Values,
    *,
    is_failure: bool,
) -> Way:
    for route, condition in zip(routes, conditions, strict=True):
        if route.status is not None and route.status not in statuses:
            continue
        if is_failure and route.status is None and not _reads_failure(condition):
            continue
        if condition is None or holds(condition, values):
            return To(route.to) if route.to else Out(is_reply=route.is_reply)
    if is_failure:
        return Nowhere()
    return Park() if any(condition is not None for condition in conditions) else Out(is_reply=False)


def _reads_failure(condition: Condition | None) -> bool:
    return condition is not None and any(path[0] in _READS_FAILURE for path in condition.paths)
