"""What rules and flows hand to tools and take from their results, beside the tools' own schemas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, cast

from lichen.agents.agent import Agent
from lichen.agents.rules.planner import RulePlanner
from lichen.agents.rules.rules import Intent
from lichen.core.ports.call import ToolSpec
from lichen.core.speech.template import Reference, TemplateError, parse
from lichen.core.words.ids import ToolName
from lichen.flows.ir import Flow, Node
from lichen.flows.nodes.call import TOOL
from lichen.flows.nodes.kinds import kind_of, operation_of, payload_of
from lichen.flows.text.reach import fields_of
from lichen.flows.walk.compiled import place_of, ready
from lichen.flows.walk.planner import FlowPlanner
from lichen.runtime.review.flaw import Flaw

_EXEC: Final = ("component.exec", "mcp.exec")


def contract_flaws(agent: Agent) -> Iterator[Flaw]:
    """Arguments no tool takes, arguments that are missing, and fields that no result has."""
    specs = {name: tool.spec for name, tool in agent.tools.items()}
    match agent.planner:
        case RulePlanner() as planner:
            for i, intent in enumerate(planner.intents):
                yield from _intent(agent, i, intent, specs)
        case FlowPlanner() as planner:
            for flow in planner.flows.values():
                yield from flow_flaws(flow, specs)
        case _:
            return


# -- rules -------------------------------------------------------------------------------------------------------


def _intent(agent: Agent, i: int, intent: Intent, specs: Mapping[ToolName, ToolSpec]) -> Iterator[Flaw]:
    results: dict[str, ToolSpec] = {}
    for j, call in enumerate(intent.calls):
        spec = specs.get(ToolName(call.tool))
        place = f"{agent.name}: intents/{i}/calls/{j}/args"
        who = f"Intent {intent.name!r} of {agent.name}"
        if spec is not None:
            optional = {slot.name for slot in intent.slots if slot.optional}
            yield from _arguments(who, spec, call.args, place, is_complete=not optional)
            results[call.name or call.tool.rpartition(".")[2]] = spec
        yield from _references(who, _texts(call.args), results, place)
    texts = [("answer", intent.answer), *((f"answers/{n}/text", one.text) for n, one in enumerate(intent.answers))]
    for at, text in texts:
        yield from _references(
            f"Intent {intent.name!r} of {agent.name}", [text], results, f"{agent.name}: intents/{i}/{at}"
        )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in cast("Mapping[str, Any]", value).values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in cast("list[Any]", value):
            yield from _texts(one)


def _references(who: str, texts: Iterable[str], results: Mapping[str, ToolSpec], place: str) -> Iterator[Flaw]:
    for text in texts:
        for reference in _parsed(text):
            spec = results.get(reference.name)
            wrong = _missing(spec.output_schema, reference.path) if spec is not None and reference.path else None
            if spec is not None and wrong is not None:
                field, known = wrong
                yield Flaw(
                    "field_unknown",
                    "problem",
                    f"{who} uses {{{reference.key}}}, and the result of {spec.name} has no field {field!r}.",
                    _meant(field, known),
                    place,
                )


def _parsed(text: str) -> tuple[Reference, ...]:
    try:
        return parse(text).references
    except TemplateError:
        return ()


def _missing(schema: Mapping[str, Any], path: Iterable[str]) -> tuple[str, list[str]] | None:
    """The first step of the path that a value of this schema cannot have, and those it has."""
    found: Any = _resolved(schema, schema)
    for step in path:
        properties = found.get("properties") if isinstance(found, Mapping) else None  # type: ignore[union-attr]
        if not isinstance(properties, Mapping) or found.get("additionalProperties") not in (None, False):  # type: ignore[union-attr]
            return None
        if step not in properties:
            return step, sorted(cast("Mapping[str, Any]", properties))
        found = _resolved(cast("Mapping[str, Any]", properties)[step], schema)
    return None


def _resolved(part: Any, schema: Mapping[str, Any]) -> Any:
    reference = part.get("$ref") if isinstance(part, Mapping) else None  # type: ignore[union-attr]
    if not isinstance(reference, str) or not reference.startswith("#/$defs/"):
        return part  # type: ignore[return-value]
    return schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})


# -- flows -------------------------------------------------------------------------------------------------------


def flow_flaws(flow: Flow, specs: Mapping[ToolName, ToolSpec]) -> Iterator[Flaw]:
    """Arguments that nodes give and no tool takes, or do not give and a tool needs; `specs` as the nodes name them."""
    for node in ready(flow).nodes.values():
        spec = specs.get(ToolName(node.target)) if node.kind is TOOL else None
        given = _given(node.node) if spec is not None else None
        if spec is not None and given is not None:
            yield from _arguments(f"Node {node.node.id!r} of {flow.id}", spec, given, place_of(flow, node.node))


def _given(node: Node) -> Mapping[str, Any] | None:
    """The arguments as a node writes them; None where only the walk knows."""
    if kind_of(operation_of(node)) is not TOOL:
        return None
    payload = payload_of(node)
    if not isinstance(payload, Mapping):
        return None
    fields = fields_of(payload)
    if node.component.id in _EXEC and {"component", "component_ref"} & fields.keys():
        return None
    inner = fields.get("arguments")
    return fields_of(inner) if isinstance(inner, Mapping) else fields


# -- both --------------------------------------------------------------------------------------------------------


def _arguments(
    who: str, spec: ToolSpec, given: Mapping[str, Any], place: str, *, is_complete: bool = True
) -> Iterator[Flaw]:
    """What is given that the tool does not take, and what it needs and is not given."""
    properties: Mapping[str, Any] = spec.input_schema.get("properties", {})
    if not properties and spec.input_schema.get("additionalProperties") is not False:
        return
    for name in given:
        if name not in properties and spec.input_schema.get("additionalProperties") is False:
            message = f"{who} gives {spec.name} the argument {name!r}, which it does not take."
            yield Flaw("argument_unknown", "problem", message, _meant(name, properties), place)
    for name in spec.input_schema.get("required", ()) if is_complete else ():
        if name not in given:
            message = f"{who} does not give {spec.name} the argument {name!r}, which it needs."
            yield Flaw("argument_missing", "problem", message, f"Add {name!r}.", place)


def _meant(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(name, names, 1)
    return (f"Did you mean {close[0]!r}? " if close else "") + f"It has: {', '.join(names) or 'none'}."
