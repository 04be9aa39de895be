"""The trace of runs: each visit of a node as a step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from blake3 import blake3

from lichen.core.words.errors import Invalid
from lichen.flows.ir import Flow, Node, Place
from lichen.flows.nodes.kinds import operation_of
from lichen.flows.syntax.canonical import digest_of
from lichen.flows.syntax.naming import pack_of
from lichen.flows.trace.document import (
    ALGORITHM,
    STEPS_MAX,
    VERSION,
    FlowRef,
    Hash,
    Issue,
    Own,
    Pack,
    Recorded,
    Step,
    StepError,
    Trace,
)
from lichen.flows.trace.walking import walked
from lichen.flows.walk.planner import FlowPlanner
from lichen.flows.walk.watching import Seen

_NOWHERE = Place(0, 0, "")


def traced(runs: Sequence[tuple[FlowPlanner, Recorded]], *, version: str, contents: bool) -> Trace:
    """The trace of runs of one conversation, the oldest first; `runs` is not empty. Without `contents` it holds the
    hashes of what was given and said, and cannot be replayed.

    Raises Invalid (`trace_too_long`).
    """
    first = runs[0][0].flow
    steps: list[Step] = []
    kept: list[Recorded] = []
    for planner, recorded in runs:
        own = steps_of(walked(planner, recorded).visits, planner.flows, contents=contents)
        steps += own
        kept.append(_kept(recorded, len(own), contents=contents))
    if len(steps) > STEPS_MAX:
        step = "Trace one run of the conversation."
        raise Invalid(f"A trace has at most {STEPS_MAX} steps.", code="trace_too_long", next_step=step)
    return Trace(
        trace_version=VERSION,
        runner_version=f"lichen {version}",
        pack=Pack(pack_of(first.path) or first.id),
        flow=FlowRef(first.id, f"{ALGORITHM}:{first.digest}"),
        steps=tuple(steps),
        lichen=Own(tuple(kept)),
    )


def _kept(recorded: Recorded, steps: int, *, contents: bool) -> Recorded:
    if contents:
        return msgspec.structs.replace(recorded, steps=steps)
    return Recorded(recorded.agent, steps, recorded.nodes)


def node_digests(flows: Iterable[Flow]) -> Mapping[str, Mapping[str, str]]:
    """What every node of these flows is, by flow and node: the same as long as nothing of it is written otherwise."""
    return {flow.id: {id: _digest(node) for id, node in flow.nodes.items()} for flow in flows}


def _digest(node: Node) -> str:
    return digest_of(msgspec.to_builtins(msgspec.structs.replace(node, place=_NOWHERE)))


def steps_of(visits: Iterable[Seen], flows: Mapping[str, Flow], *, contents: bool) -> tuple[Step, ...]:
    """Visits as steps of a trace."""
    return tuple(_step(seen, flows[seen.flow].nodes[seen.node], contents=contents) for seen in visits)


def _step(seen: Seen, node: Node, *, contents: bool) -> Step:
    operation = node.component.operation or operation_of(node)
    given: Any = None
    if contents:
        given = {"component_id": node.component.id, "operation": operation, "payload": msgspec.Raw(seen.given)}
    return Step(
        node_id=seen.node,
        component_id=node.component.id,
        operation=operation,
        input_hash=_hash(seen.given),
        duration_ms=max(0, seen.left_us - seen.came_us) // 1000,
        validation_issues=tuple(Issue("value_missing", path, "It is not there.") for path in seen.missing),
        invocation_json=given,
        output_hash=None if seen.gave is None or seen.code else _hash(seen.gave),
        output_json=msgspec.Raw(seen.gave) if contents and seen.gave is not None and not seen.code else None,
        state_delta_hash=None if seen.changed is None else _hash(seen.changed),
        error=StepError(seen.code, seen.message if contents else "") if seen.code else None,
        flow=seen.flow,
        status=seen.status,
    )


def _hash(data: bytes) -> Hash:
    return Hash(ALGORITHM, blake3(data).hexdigest())
