"""Nodes that do several things: `flow.parallel` begins at several nodes at once, `flow.each` at one node for each item.

A branch goes from its first node to where its routes lead out; what its last node gave is its result. It reads what
was there before it, `item` and `index`, and nothing of other branches; what it keeps in variables is its own. The node
gives `results` in the order of the branches, with null for one that has none, and `errors` of those that failed.
Lichen's own: upstream's runner has neither.
"""

from __future__ import annotations

from typing import Any, Final, cast

from lichen.flows.ir import Node
from lichen.flows.nodes.frames import Frame, Output, fill
from lichen.flows.nodes.steps import Done, Event, Failed, Fork, Kind, Step, Visit
from lichen.flows.text.reach import fields_of

PARALLEL_NODE: Final = "flow.parallel"
EACH_NODE: Final = "flow.each"
BRANCHES_MAX: Final = 64  # of one node
ITEMS_MAX: Final = 1_000
AT_ONCE_MAX: Final = 64
_FAILURES: Final = ("fail", "collect")


def first_nodes(node: Node, operation: str) -> tuple[str, ...]:
    """The nodes at which a node's branches begin, as written; what is no text is left out."""
    payload = fields_of(node.input)
    written = {PARALLEL_NODE: payload.get("branches"), EACH_NODE: [payload.get("do")]}.get(operation)
    named = cast("list[Any]", written if isinstance(written, list) else [])
    return tuple(each for each in named if isinstance(each, str))


def _parallel(visit: Visit) -> Step:
    """`branches` names the nodes."""
    named = tuple(cast("list[str]", visit.fields().get("branches") or []))
    return _fork(visit, Fork(named, None, len(named), len(named)))


def _each(visit: Visit) -> Step:
    """`do` names the node, `items` is a list. One after the other, or `at_once` so many."""
    fields = visit.fields()
    items = fields.get("items")
    if not isinstance(items, list):
        return Failed("items_invalid", "`items` is no list.")
    found = tuple(cast("list[Any]", items))
    if len(found) > ITEMS_MAX:
        return Failed("items_too_many", f"There are {len(found)} items; at most {ITEMS_MAX} are gone through.")
    return _fork(visit, Fork((str(fields.get("do")),), found, 1, len(found)))


def _fork(visit: Visit, usual: Fork) -> Step:
    """The fork as the payload has it, where it says anything else than usual."""
    fields = visit.fields()
    if not usual.branches:
        return Done({"results": [], "errors": []})
    at_once = fields.get("at_once", min(usual.at_once, AT_ONCE_MAX))
    if isinstance(at_once, bool) or not isinstance(at_once, int) or not 1 <= at_once <= AT_ONCE_MAX:
        return Failed("fork_invalid", f"`at_once` is a number from 1 to {AT_ONCE_MAX}.")
    need = _need(fields.get("join", "all"), usual.branches)
    if need is None:
        return Failed("fork_invalid", "`join` is all, any, or a number of branches.")
    failures = fields.get("failures", "fail")
    if failures not in _FAILURES:
        return Failed("fork_invalid", "`failures` is fail or collect.")
    return usual._replace(at_once=at_once, need=need, collects=failures == "collect")


def _need(join: Any, branches: int) -> int | None:
    match join:
        case "all":
            return branches
        case "any":
            return 1
        case int() if not isinstance(join, bool) and 1 <= join <= branches:
            return join
        case _:
            return None


# -- what becomes of the branches ----------------------------------------------------------------------------------


def opened(fork: Fork) -> dict[str, Any]:
    """What the frame of a node keeps of its branches."""
    kept: dict[str, Any] = {
        "nodes": list(fork.nodes),
        "count": fork.branches,
        "at_once": fork.at_once,
        "need": fork.need,
    }
    return {**kept, "items": None if fork.items is None else list(fork.items), "collects": fork.collects}


def next_branch(frame: Frame) -> Frame | None:
    """The first frame of the branch that begins next, None when all have begun or as many are under way as may be."""
    kept, index = frame.local, len(frame.strands)
    under_way = sum(not strand.is_over for strand in frame.strands)
    if index >= kept["count"] or under_way >= kept["at_once"]:
        return None
    nodes, items = cast("list[str]", kept["nodes"]), cast("list[Any] | None", kept["items"])
    node, item = (nodes[index], None) if items is None else (nodes[0], items[index])
    base = Frame(frame.flow, node, {}, prev=frame.prev, index=index, item=item)
    fill(base, frame)
    return base


def joined(frame: Frame) -> Done | Failed | None:
    """What the node comes to, None as long as its branches do not say."""
    kept = frame.local
    outputs = [strand.output for strand in frame.strands]
    well = sum(output is not None and output.ok for output in outputs)
    failed = sum(output is not None and not output.ok for output in outputs)
    count, need = cast(int, kept["count"]), cast(int, kept["need"])
    if kept["collects"] and need == count:
        return _result(frame, outputs) if well + failed == count else None
    if well >= need:
        return _result(frame, outputs)
    if failed > count - need:
        return _failure(outputs)
    return None


def _result(frame: Frame, outputs: list[Output | None]) -> Done:
    kept = frame.local
    missing = [None] * (kept["count"] - len(outputs))
    results = [output.payload if output is not None and output.ok else None for output in outputs] + missing
    errors = [_said(i, output) for i, output in enumerate(outputs) if output is not None and not output.ok]
    payload: dict[str, Any] = {"results": results, "errors": errors}
    if kept["items"] is None:
        payload["branches"] = dict(zip(cast("list[str]", kept["nodes"]), results, strict=True))
    return Done(payload, "partial" if errors and kept["collects"] else "ok")


def _said(index: int, output: Output) -> dict[str, Any]:
    return {"index": index, "code": output.code, "message": output.message}


def _failure(outputs: list[Output | None]) -> Failed:
    """The failure of the last branch that failed: it left too few."""
    last = next(output for output in reversed(outputs) if output is not None and not output.ok)
    return Failed(last.code, last.message, cast(Event, last.status), last.payload, is_foreign=last.is_foreign)


PARALLEL = Kind(_parallel, is_silent=True)
EACH = Kind(_each, is_silent=True)
