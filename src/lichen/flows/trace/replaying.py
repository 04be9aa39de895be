"""A trace beside the same run walked again: the nodes that are written otherwise, and the first that does otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Literal

import msgspec

from lichen.core.words.errors import Invalid
from lichen.flows.trace.document import Recorded, Step, Trace
from lichen.flows.trace.making import node_digests, steps_of
from lichen.flows.trace.walking import walked
from lichen.flows.walk.planner import FlowPlanner
from lichen.flows.walk.watching import Seen

What = Literal["way", "input", "output", "error", "state"]


class Change(msgspec.Struct, frozen=True):
    """A node that is written otherwise than it was, is new, or is not there any more. `is_visited`: the traced run
    came by it."""

    flow: str
    node: str
    what: Literal["changed", "added", "removed"]
    is_visited: bool


class Difference(msgspec.Struct, frozen=True):
    """A step that is not as it was: another node was visited (`way`), or that one was given, gave, failed or kept
    something else. `before` and `now` are nodes, hashes or codes, None where there is none."""

    step: int
    node: str
    what: What
    before: str | None
    now: str | None


class Replayed(msgspec.Struct, frozen=True):
    """What came of it. `first` is the first step that differs, `differs` the nodes of all that do as far as the run
    could be followed, in the order in which they did."""

    flow: str
    steps: int
    changes: tuple[Change, ...]
    first: Difference | None
    differs: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether every node did as it did then."""
        return self.first is None


def replayed(trace: Trace, planner: FlowPlanner) -> Replayed:
    """The runs of a trace walked again by this planner, with what tools gave and people said then.

    Raises Invalid (`trace_sealed`) for a trace without contents.
    """
    found: list[tuple[tuple[int, int], Difference]] = []
    at = 0
    for number, recorded in enumerate(trace.lichen.runs):
        if recorded.run is None:
            raise _sealed()
        visits = walked(planner, recorded).visits
        now = steps_of(visits, planner.flows, contents=False)
        here = _differences(at, trace.steps[at : at + recorded.steps], now)
        found += [((number, _moment(each, visits[each.step - at :][:1])), each) for each in here]
        at += recorded.steps
    if not trace.lichen.runs:
        raise _sealed()
    differences = [each for _, each in sorted(found, key=lambda one: one[0])]
    return Replayed(
        flow=planner.flow.id,
        steps=len(trace.steps),
        changes=tuple(_changes(trace.lichen.runs, planner, trace.steps)),
        first=differences[0] if differences else None,
        differs=tuple(dict.fromkeys(each.node for each in differences)),
    )


def _moment(difference: Difference, visit: Sequence[Seen]) -> int:
    """When it differed: a node that called a flow or began branches gives something else after they did."""
    if not visit:
        return sys.maxsize
    return visit[0].came if difference.what in ("way", "input") else visit[0].left or visit[0].came


def _differences(at: int, before: Sequence[Step], now: Sequence[Step]) -> Iterator[Difference]:
    """The steps that differ, up to the first at another node: what follows that is another way."""
    for number, (was, found) in enumerate(zip_longest(before, now), at):
        if was is None or found is None or was.node_id != found.node_id:
            came, comes = was and was.node_id, found and found.node_id
            yield Difference(number, came or comes or "", "way", came, comes)
            return
        difference = _difference(number, was, found)
        if difference is not None:
            yield difference


def _difference(number: int, was: Step, now: Step) -> Difference | None:
    pairs: list[tuple[What, str | None, str | None]] = [
        ("error", was.error and was.error.code, now.error and now.error.code),
        ("output", was.output_hash and was.output_hash.value, now.output_hash and now.output_hash.value),
        ("input", was.input_hash.value, now.input_hash.value),
        ("state", _delta(was), _delta(now)),
    ]
    for what, before, after in pairs:
        if before != after:
            return Difference(number, was.node_id, what, before, after)
    return None


def _delta(step: Step) -> str | None:
    return step.state_delta_hash and step.state_delta_hash.value


def _changes(runs: Sequence[Recorded], planner: FlowPlanner, steps: Sequence[Step]) -> Iterator[Change]:
    """The nodes that are written otherwise. The flow itself may have another name by now."""
    was = {flow: nodes for recorded in runs for flow, nodes in recorded.nodes.items()}
    now = dict(node_digests(planner.flows.values()))
    root = runs[0].agent if runs[0].agent in was else next(iter(was), "")
    now[root] = now.pop(planner.flow.id)
    visited = {(step.flow, step.node_id) for step in steps}
    for flow in dict.fromkeys((*was, *now)):
        old, new = was.get(flow, {}), now.get(flow, {})
        for node in dict.fromkeys((*old, *new)):
            if old.get(node) != new.get(node):
                what = "added" if node not in old else "removed" if node not in new else "changed"
                yield Change(flow, node, what, (flow, node) in visited)


def _sealed() -> Invalid:
    step = "Write it with its contents: `--trace FILE --contents`, or `lichen flow trace RUN --contents`."
    message = "The trace holds hashes alone: what was said and what tools gave is not in it."
    return Invalid(message, code="trace_sealed", next_step=step)
