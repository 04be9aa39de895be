"""A flow in a few lines, to be compared with what is expected."""

from __future__ import annotations

from lichen.flows.ir import Branch, Custom, End, Flow, Next, Reply, Route, Routing


def told(flow: Flow) -> list[str]:
    """The flow's kind, entry and nodes, a line each."""
    lines = [
        f"  {node.id}: {component(node.component.id, node.component.operation)} -> {leads(node.routing)}"
        for node in flow.nodes.values()
    ]
    return [f"{flow.kind}, starts at {flow.start}", *lines]


def component(id: str, operation: str | None) -> str:
    return f"{id}/{operation}" if operation else id


def leads(routing: Routing) -> str:
    match routing:
        case End():
            return "end"
        case Reply():
            return "reply"
        case Next(to):
            return to
        case Branch(on_status, default):
            return f"branch {dict(on_status)} else {default}"
        case Custom(routes):
            return "custom " + "; ".join(route(found) for found in routes)


def route(found: Route) -> str:
    to = "out" if found.is_out else "reply" if found.is_reply else found.to
    asked = f" when {found.condition}" if found.condition else f" on {found.status}" if found.status else ""
    return f"{to}{asked}"
