"""A flow as it is walked (`flow-v1`): every node lowered to one operation, with its mappings and where it leads.

Source: the `.ygtc` v2 format of greentic-flow and its compiled form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

FlowKind = Literal["messaging", "event", "component-config", "job", "http"]
SlotType = Literal["string", "enum", "number", "date", "boolean"]


class Place(msgspec.Struct, frozen=True):
    """Where something stands in its file: line and column count from 1, `pointer` is a JSON pointer."""

    line: int
    column: int
    pointer: str


class Component(msgspec.Struct, frozen=True):
    """What a node does: `id` names the component or built-in operation, `operation` what of it, when it has several."""

    id: str
    operation: str | None = None
    pack_alias: str | None = None


class Route(msgspec.Struct, frozen=True):
    """One entry of a routing list; the first whose `status` and `condition` hold is taken.

    It leads to node `to`, out of the flow (`is_out`), or back to the customer and out (`is_reply`).
    """

    to: str | None = None
    is_out: bool = False
    is_reply: bool = False
    status: str | None = None
    condition: str | None = None


class End(msgspec.Struct, frozen=True, tag="end"):
    """The flow ends here; its output is the node's."""


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """The node's output goes to the customer and the flow ends."""


class Next(msgspec.Struct, frozen=True, tag="next"):
    """Always the same next node."""

    to: str


class Branch(msgspec.Struct, frozen=True, tag="branch"):
    """By the node's status; `default` when none fits, else the flow ends."""

    on_status: Mapping[str, str]
    default: str | None = None


class Custom(msgspec.Struct, frozen=True, tag="custom"):
    """By routes in their order, conditions among them."""

    routes: tuple[Route, ...]


Routing = End | Reply | Next | Branch | Custom


class NodeRetry(msgspec.Struct, frozen=True):
    """How often a node that failed is tried in all, and the pause before the second attempt; it doubles each time."""

    attempts: int = 1
    backoff_s: float = 0.1
    on: tuple[str, ...] = ()  # codes; empty means any that is worth another try


class Node(msgspec.Struct, frozen=True):
    """One node. `input`, `output` and `errors` are the mappings as written, templates unrendered.

    `output` of None keeps the component's result as it is; `errors` maps a failure to the node's payload.
    `when` is a condition under which the node does anything at all. `redact` are fields of its result that are shown
    to nobody.
    """

    id: str
    component: Component
    input: Any
    routing: Routing
    place: Place
    output: Any = None
    errors: Any = None
    retry: NodeRetry = NodeRetry()
    timeout_s: float | None = None
    when: str | None = None
    telemetry: Mapping[str, Any] = {}
    vars_out: Mapping[str, str] = {}
    redact: tuple[str, ...] = ()


class Slot(msgspec.Struct, frozen=True):
    """Something to be known before a flow goes on, and how it is recognised in what a customer writes."""

    name: str
    slot_type: SlotType = "string"
    pattern: str | None = None
    required: bool = False
    enum_values: tuple[str, ...] = ()
    default_value: Any = None


class Metadata(msgspec.Struct, frozen=True):
    """What people read of a flow, and everything a compiler keeps without understanding it."""

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = {}


class Flow(msgspec.Struct, frozen=True):
    """A whole flow. `nodes` keep the order of the file; `digest` is the BLAKE3 of its normalised document.

    `start` is the node a run begins with: `start`, else a node `in`, else the first; empty where there are no nodes.
    `outputs` is what the flow gives in place of its last node's payload, a mapping as written; `place` is its id's.
    """

    id: str
    kind: FlowKind
    start: str
    entrypoints: Mapping[str, str]
    nodes: Mapping[str, Node]
    metadata: Metadata
    digest: str
    path: str
    parameters: Mapping[str, Any] = {}
    slots: tuple[Slot, ...] = ()
    vars_init: Mapping[str, Any] = {}
    outputs: Any = None
    place: Place = Place(1, 1, "/id")
