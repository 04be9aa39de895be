"""A flow made ready to be walked: templates and conditions parsed, and what every node is about looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from lichen.core.words.errors import Invalid
from lichen.flows.ir import Custom, Flow, Node
from lichen.flows.nodes.kinds import kind_of, named_in, operation_of, payload_of
from lichen.flows.nodes.steps import Kind
from lichen.flows.text.expr import Condition, ExprError, parse_condition
from lichen.flows.text.mapping import Filling, Mapped, mapping
from lichen.flows.text.reach import MISSING, Path, fields_of, parse_pointer, reach
from lichen.flows.text.rendering import RenderError
from lichen.flows.text.template import TemplateError

T = TypeVar("T")


class Ready(NamedTuple):
    """A node ready to be visited. `target` is the tool, agent or flow it is about, empty when it is about none."""

    node: Node
    kind: Kind
    target: str
    input: Mapped
    output: Mapped | None
    errors: Mapped | None
    vars_out: Mapping[str, Mapped]
    when: Condition | None
    conditions: tuple[Condition | None, ...]  # of the routes of a Custom routing
    redact: tuple[str, ...] = ()  # fields of the result, by the names they have there


class ReadyFlow(NamedTuple):
    """A flow ready to be walked. `strict`: a missing value is an error, not an empty text. `keeps_inputs`: something
    reads what nodes were given. `read` are the nodes whose outputs some text or condition may read; None for all."""

    flow: Flow
    nodes: Mapping[str, Ready]
    strict: bool
    outputs: Mapped | None = None
    keeps_inputs: bool = False
    read: frozenset[str] | None = None


class Need(NamedTuple):
    """What a node is about: a `tool`, an `agent` or a `flow`, and the node that says so."""

    kind: str
    name: str
    node: Node


def ready(flow: Flow, targets: Mapping[str, str] | None = None) -> ReadyFlow:
    """The flow, ready; `targets` are what nodes are about where that has another name here than they write.

    Raises Invalid (`flow_invalid`) at the node whose template, condition or target is wrong.
    """
    named = targets or {}
    nodes = {id: _ready(flow, node, named.get(id)) for id, node in flow.nodes.items()}
    extra = flow.metadata.extra
    is_strict = (flow.parameters.get("strict"), extra.get("strict"), fields_of(extra.get("meta")).get("strict"))
    outputs = None if flow.outputs is None else _outputs(flow)
    paths = tuple(_paths(nodes, outputs))
    keeps = any(path[0] in nodes and path[1:2] == ("input",) for path in paths)
    return ReadyFlow(flow, nodes, True in is_strict, outputs, keeps, _read(paths))


def _outputs(flow: Flow) -> Mapped:
    try:
        return mapping(flow.outputs, flow.nodes)
    except TemplateError as error:
        step = "Correct the text; `lichen flow doctor` reads it again."
        raise Invalid(f"`outputs`: {error}.", code="flow_invalid", next_step=step, place=flow.path) from None


def _paths(nodes: Mapping[str, Ready], outputs: Mapped | None) -> Iterator[Path]:
    """Every value that the flow's texts and conditions read."""
    yield from () if outputs is None else outputs.paths
    for one in nodes.values():
        for mapped in (one.input, one.output, one.errors, *one.vars_out.values()):
            yield from () if mapped is None else mapped.paths
        for condition in (one.when, *one.conditions):
            yield from () if condition is None else condition.paths


def _read(paths: Iterable[Path]) -> frozenset[str] | None:
    """The nodes among what is read, by all the names that they have there."""
    found: set[str] = set()
    for path in paths:
        named = path[1:] if path[0] == "node" else path[2:] if path[:2] == ("state", "nodes") else path
        if not named or path == ("state",):
            return None
        found.add(str(named[0]))
    return frozenset(found)


def needs(flow: Flow) -> tuple[Need, ...]:
    """The tools, agents and flows that the flow's nodes are about, in their order. Raises as `ready` does."""
    prepared = ready(flow)
    return tuple(
        Need(one.kind.target, one.target, one.node) for one in prepared.nodes.values() if one.kind.target and one.target
    )


def place_of(flow: Flow, node: Node) -> str:
    """Where a node stands: `file:line:column`."""
    return f"{flow.path}:{node.place.line}:{node.place.column}"


def invalid(flow: Flow, node: Node, message: str, *, code: str = "flow_invalid", next_step: str) -> Invalid:
    """The error for a node that cannot be walked."""
    return Invalid(f"Node {node.id!r}: {message}", code=code, next_step=next_step, place=place_of(flow, node))


def _ready(flow: Flow, node: Node, target: str | None) -> Ready:
    def mapped(value: Any, *, has_pointers: bool = False) -> Mapped:
        return _parsed(flow, node, lambda: mapping(value, flow.nodes, has_pointers=has_pointers))

    def condition(text: str) -> Condition:
        return _parsed(flow, node, lambda: parse_condition(text))

    routes = node.routing.routes if isinstance(node.routing, Custom) else ()
    return Ready(
        node=node,
        kind=kind_of(operation_of(node)),
        target=target_of(flow, node) if target is None else target,
        input=mapped(payload_of(node)),
        output=None if node.output is None else mapped(node.output, has_pointers=True),
        errors=None if node.errors is None else mapped(node.errors, has_pointers=True),
        vars_out={name: mapped(value, has_pointers=True) for name, value in node.vars_out.items()},
        when=None if node.when is None else condition(node.when),
        conditions=tuple(None if route.condition is None else condition(route.condition) for route in routes),
        redact=tuple(dict.fromkeys(name for field in node.redact for name in (field, *_sources(flow, node, field)))),
    )


def _sources(flow: Flow, node: Node, field: str) -> Iterator[str]:
    """The fields of the result that a field of the node's output is made of."""
    written = fields_of(node.output).get(field)
    if isinstance(written, str) and (steps := parse_pointer(written)):
        yield steps[0]
    if written is not None:
        read = _parsed(flow, node, lambda: mapping(written, flow.nodes)).paths
        yield from (path[1] for path in read if len(path) > 1 and path[0] in ("result", "output", "response"))


def _parsed(flow: Flow, node: Node, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except (TemplateError, ExprError) as error:
        raise invalid(
            flow, node, f"{error}.", next_step="Correct the text; `lichen flow doctor` reads it again."
        ) from None


class _Parameters(NamedTuple):
    """All that is known of a flow before it runs."""

    parameters: Mapping[str, Any]

    def get(self, path: Path) -> Any:
        """A parameter, or MISSING for anything else."""
        return reach(self.parameters, path[1:]) if path[0] == "parameters" else MISSING


def target_of(flow: Flow, node: Node) -> str:
    """The tool, agent or flow that a node is about, empty when it is about none. Raises Invalid when it does not say.

    The name may come from the flow's parameters, never from what somebody said.
    """
    operation = operation_of(node)
    named = named_in(node, operation)
    if not kind_of(operation).target or (operation == "flow.goto" and not named):
        return ""
    try:
        found = mapping(named, flow.nodes).fill(Filling(_Parameters(flow.parameters), strict=True))
    except (RenderError, TemplateError):
        found = None
    if not isinstance(found, str) or not found.strip("."):
        step = "Write the name down, or take it from `parameters`."
        raise invalid(flow, node, "It does not say which tool, agent or flow it is about.", next_step=step)
    return found
