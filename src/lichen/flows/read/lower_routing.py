"""Where a node leads: the `routing` of a document as one of End, Reply, Next, Branch and Custom.

Source: greentic-flow, compile_routing. Of several routes for one status, or several defaults, the last one counts.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, cast

from lichen.flows.ir import Branch, Custom, End, Next, Place, Reply, Route, Routing
from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import Report
from lichen.flows.text.expr import ExprError, parse_condition

OUT: Final = "out"
"""What `to` may say instead of a node, to leave the flow."""


def routing_of(node_id: str, value: Any, nodes: Collection[str], document: Document, report: Report) -> Routing:
    """The routing of one node that passed the schema. Notes targets that are not there and conditions that are none."""
    if value is None or value == "out":
        return End()
    if value == "reply":
        return Reply()
    found: list[Route] = []
    for number, entry in enumerate(cast(list[dict[str, Any]], value)):
        where = _Where(node_id, number, document, report)
        where.check(entry, nodes)
        found.append(_route(entry))
        if found[-1].to is None and not found[-1].is_out and not found[-1].is_reply:
            where.warn("route_leads_nowhere", "This route leads nowhere; the flow ends here.")
            found[-1] = Route(is_out=True, status=found[-1].status, condition=found[-1].condition)
    _warn_of_shadows(node_id, found, document, report)
    return _lowered(tuple(found))


def check_condition(text: str, at: Place, report: Report) -> None:
    """Notes a text that is no condition."""
    try:
        parse_condition(text)
    except ExprError as error:
        message = f"{text!r} is no condition: {error}."
        step = 'Compare values: `response.action == "pay" and vars.total >= 50`.'
        report.error("Routing", "condition_syntax", message, at=at, next_step=step)


def targets(routing: Routing) -> list[tuple[str, str]]:
    """The nodes a routing may lead to, each with what is said on the way: a status, a condition, or nothing."""
    match routing:
        case Next(to):
            return [(to, "")]
        case Branch(on_status, default):
            return [*((to, status) for status, to in on_status.items()), *([(default, "")] if default else [])]
        case Custom(routes):
            return [(route.to, route.condition or route.status or "") for route in routes if route.to is not None]
        case _:
            return []


def exits(routing: Routing) -> list[str]:
    """What is said on each way out of the flow; empty when no route leaves it."""
    match routing:
        case End() | Reply():
            return [""]
        case Custom(routes):
            return [route.condition or route.status or "" for route in routes if route.to is None]
        case _:
            return []


def _route(entry: dict[str, Any]) -> Route:
    to, is_out = entry.get("to"), entry.get("out", False)
    if to == OUT or is_out:
        to, is_out = None, True
    if entry.get("reply", False):
        to, is_out = None, False
    return Route(to, is_out, bool(entry.get("reply", False)), entry.get("status"), entry.get("condition"))


def _lowered(routes: tuple[Route, ...]) -> Routing:
    if not routes:
        return End()
    if any(route.condition is not None for route in routes):
        return Custom(routes)
    if len(routes) == 1:
        return _single(routes[0])
    if any(route.to is None for route in routes):
        return Custom(routes)
    on_status = {route.status: route.to for route in routes if route.status is not None and route.to is not None}
    defaults = [route.to for route in routes if route.status is None]
    return Branch(on_status, defaults[-1] if defaults else None)


def _single(route: Route) -> Routing:
    if route.is_reply:
        return Reply()
    if route.status is not None:
        return Custom((route,))
    return Next(route.to) if route.to is not None else End()


def _warn_of_shadows(node_id: str, routes: list[Route], document: Document, report: Report) -> None:
    if any(route.condition is not None or route.to is None for route in routes):
        return
    statuses = [route.status for route in routes]
    for number, status in enumerate(statuses):
        if status in statuses[number + 1 :]:
            said = f"for status {status!r}" if status is not None else "the default"
            where = _Where(node_id, number, document, report)
            where.warn("route_shadowed", f"A later route is also {said}; the last one counts, this one is never taken.")


class _Where:
    """One route of one node, for findings."""

    def __init__(self, node_id: str, number: int, document: Document, report: Report) -> None:
        self._steps: tuple[str | int, ...] = ("nodes", node_id, "routing", number)
        self._node_id = node_id
        self._document = document
        self._report = report

    def check(self, entry: dict[str, Any], nodes: Collection[str]) -> None:
        """Notes a target that is not there and a condition that is none."""
        to, condition = entry.get("to"), entry.get("condition")
        if to is not None and to != OUT and to not in nodes:
            message = f"Node {self._node_id!r} leads to {to!r}, which is not there."
            step = f"Name one of: {', '.join(list(nodes)[:12])}."
            self._report.error("MissingNode", "node_missing", message, at=self._at("to"), next_step=step)
        if condition is not None:
            check_condition(condition, self._at("condition"), self._report)

    def warn(self, code: str, message: str) -> None:
        """Notes something the author may not have meant."""
        self._report.warn("Routing", code, message, at=self._at(), next_step="Remove the route or correct it.")

    def _at(self, *more: str) -> Place:
        return self._document.at(*self._steps, *more)
