"""Nodes that begin branches, as they are written: the nodes they name are there, and their terms are terms."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, cast

from lichen.flows.ir import Flow, Node
from lichen.flows.nodes.fork import AT_ONCE_MAX, BRANCHES_MAX, EACH_NODE, PARALLEL_NODE, first_nodes
from lichen.flows.nodes.kinds import operation_of
from lichen.flows.read.lower_routing import targets
from lichen.flows.syntax.document import Document
from lichen.flows.syntax.findings import Report
from lichen.flows.text.reach import fields_of

FORKS: Final = (PARALLEL_NODE, EACH_NODE)
_TEMPLATE: Final = "{{"


def branches_of(node: Node) -> tuple[str, ...]:
    """The nodes at which the branches of a node begin; none of a node that has none."""
    return first_nodes(node, operation_of(node))


def check_fork(
    node_id: str, operation: str, payload: Any, nodes: Collection[str], document: Document, report: Report
) -> None:
    """Notes branches that begin nowhere, and terms that are none."""
    fields = fields_of(payload)

    def wrong(key: str, message: str, step: str, *, code: str = "fork_invalid", kind: Any = "Schema") -> None:
        at = document.at("nodes", node_id, operation, *([key] if key in fields else ()))
        report.error(kind, code, f"`{key}` of node {node_id!r} {message}.", at=at, next_step=step)

    key = "branches" if operation == PARALLEL_NODE else "do"
    named = fields.get("branches") if operation == PARALLEL_NODE else [fields.get("do")]
    listed = cast("list[Any]", named if isinstance(named, list) else [])
    if not listed or not all(isinstance(each, str) for each in listed) or len(listed) > BRANCHES_MAX:
        wanted = f"names 1 to {BRANCHES_MAX} nodes" if operation == PARALLEL_NODE else "names a node"
        wrong(key, wanted, "Write the ids of nodes of this flow.")
    for each in listed:
        if isinstance(each, str) and each not in nodes:
            known = f"Name one of: {', '.join(list(nodes)[:12])}."
            wrong(key, f"names {each!r}, which is not there", known, code="node_missing", kind="MissingNode")
    if operation == EACH_NODE and "items" not in fields:
        wrong("items", "is missing", 'Write a list, or where it stands: `items: "{{entry.items}}"`.')
    for key, is_term, step in _terms(fields):
        if not is_term:
            wrong(key, "is none of what it may be", step)


def _terms(fields: dict[str, Any]) -> list[tuple[str, bool, str]]:
    join, failures, at_once = fields.get("join", "all"), fields.get("failures", "fail"), fields.get("at_once", 1)
    return [
        ("join", join in ("all", "any") or _is_number(join, BRANCHES_MAX), "Write all, any, or how many branches."),
        ("failures", failures in ("fail", "collect"), "Write fail or collect."),
        ("at_once", _is_number(at_once, AT_ONCE_MAX), f"Write a number from 1 to {AT_ONCE_MAX}."),
    ]


def _is_number(value: Any, most: int) -> bool:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
    return is_number or (isinstance(value, str) and _TEMPLATE in value)


def warn_of_branches(node: Node, flow: Flow, report: Report) -> None:
    """Notes branches that go on where the node itself leads, or come back to it."""
    first = branches_of(node)
    if not first:
        return
    begun = _from(flow, first)
    after = _from(flow, [to for to, _ in targets(node.routing)])
    if node.id in begun:
        message = f"A branch of node {node.id!r} comes back to it, and branches off again."
        report.warn(
            "Routing", "branch_comes_back", message, at=node.place, next_step="Let the branch end: routing: out."
        )
    elif shared := sorted(begun & after):
        message = (
            f"A branch of node {node.id!r} goes on to {shared[0]!r}, where the node itself leads once all are over."
        )
        step = f"End the branch before {shared[0]!r}: routing: out."
        report.warn("Routing", "branch_goes_on", message, at=node.place, next_step=step)


def _from(flow: Flow, starts: Collection[str]) -> set[str]:
    found: set[str] = set()
    waiting = [start for start in starts if start in flow.nodes]
    while waiting:
        id = waiting.pop()
        if id not in found:
            found.add(id)
            waiting += [to for to, _ in targets(flow.nodes[id].routing)]
    return found
