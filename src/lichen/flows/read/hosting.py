"""What hosting a flow will need: the name it gets, the tools its operations may be, and a run that is long enough."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from lichen.core.words.errors import Invalid
from lichen.flows.ir import Flow, Place
from lichen.flows.nodes.kinds import kind_of, operation_of
from lichen.flows.read.lower_routing import exits, targets
from lichen.flows.syntax.findings import Finding, Report
from lichen.flows.syntax.naming import components_of, hosted_name, is_tool_name, tool_names
from lichen.flows.walk.walker import VISITS_ON_MAX

CALLS_MAX: Final = 256  # of a flow's run, as the runtime hosts it


class Needed(msgspec.Struct, frozen=True):
    """A tool, agent or flow that must be there for the flow to run, and the nodes that use it. `names` are those it may
    have here, the closest first."""

    kind: str
    name: str
    nodes: tuple[str, ...]
    names: tuple[str, ...] = ()


def hosted(flow: Flow, needs: tuple[Needed, ...], pack: str) -> tuple[str, tuple[Needed, ...], tuple[Finding, ...]]:
    """The name the flow is hosted under, what it needs with the names that this has here, and what to know of it."""
    report = Report(flow.path)
    components = _components(flow, report)
    name = hosted_name(flow, pack)
    if name != flow.id:
        message = f"The flow id {flow.id!r} is no agent's name; the flow is hosted as {name!r}."
        step = 'Route to that name, or give another: flows = [{ file = "...", name = "..." }] in lichen.toml.'
        report.warn("InvalidIdentifier", "flow_name", message, at=flow.place, next_step=step)
    found = tuple(_named(need, pack, components) for need in needs)
    for need in found:
        if need.kind == "tool" and not is_tool_name(need.name):
            _warn_of_tool(flow, need, report)
    _check_length(flow, report)
    return name, found, report.warnings


def _named(need: Needed, pack: str, components: Mapping[str, str]) -> Needed:
    if need.kind != "tool":
        return need
    names = (name for node in need.nodes for name in tool_names(need.name, pack, components.get(node, "")))
    return msgspec.structs.replace(need, names=tuple(dict.fromkeys(names)))


def _warn_of_tool(flow: Flow, need: Needed, report: Report) -> None:
    maybe = " or ".join(repr(name) for name in need.names)
    message = f"No tool can be called {need.name!r}; hosting takes {maybe or 'what it is mapped to'}."
    step = f'Call a tool so, or map it in lichen.toml: tools = {{ "{need.name}" = "..." }}.'
    report.warn("BadComponentKey", "tool_name", message, at=flow.nodes[need.nodes[0]].place, next_step=step)


def _components(flow: Flow, report: Report) -> dict[str, str]:
    try:
        return components_of(flow.path)
    except Invalid as error:
        report.warn("Schema", error.code, error.message, at=Place(1, 1, ""), next_step=error.next_step)
        return {}


def _check_length(flow: Flow, report: Report) -> None:
    """A flow every way through which is longer than a run may be."""
    steps = _shortest(flow, lambda _: 1)
    calls = _shortest(flow, lambda id: int(bool(kind_of(operation_of(flow.nodes[id])).target)))
    if calls is not None and calls > CALLS_MAX:
        message = f"Every way through the flow makes at least {calls} calls; a run may make {CALLS_MAX}."
    elif steps is not None and steps > VISITS_ON_MAX and calls == 0:
        message = f"Every way through the flow visits at least {steps} nodes; a run may visit {VISITS_ON_MAX} at once."
    else:
        return
    step = "Split the flow into several that are started one after the other."
    report.warn("Routing", "flow_too_long", message, at=flow.nodes[flow.start].place, next_step=step)


def _shortest(flow: Flow, cost: Callable[[str], int]) -> int | None:
    """What the cheapest way from the start out of the flow costs; None when none leads out."""
    open_ends = [(cost(flow.start), flow.start)] if flow.nodes else []
    done: set[str] = set()
    while open_ends:
        total, id = heapq.heappop(open_ends)
        if id in done:
            continue
        done.add(id)
        if exits(flow.nodes[id].routing):
            return total
        for to, _ in targets(flow.nodes[id].routing):
            heapq.heappush(open_ends, (total + cost(to), to))
    return None
