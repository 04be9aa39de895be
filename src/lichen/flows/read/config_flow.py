"""Flows of type component-config: they ask how a component is to be set up, and give the node to insert.

Source: greentic-flow, config flows: `questions` nodes followed by one `template`, whose text is JSON
`{node_id, node}`. In it `NEXT_NODE_PLACEHOLDER` stands for the node that follows where the new one is inserted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from lichen.core.words.errors import Invalid
from lichen.flows.ir import Flow, Next, Node
from lichen.flows.syntax.shape import operations
from lichen.flows.text.reach import Path, fields_of, reach
from lichen.flows.text.rendering import RenderError
from lichen.flows.text.template import TemplateError, parse_template
from lichen.flows.walk.compiled import place_of

NEXT_NODE: Final = "NEXT_NODE_PLACEHOLDER"

_PLACEHOLDER: Final = re.compile(r"COMPONENT_STEP|NEW_NODE|INSERT_NODE|NODE_ID|.*PLACEHOLDER.*", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Field(msgspec.Struct, frozen=True):
    """One question: what is asked under which id, of which type, and what is taken when nobody answers."""

    id: str
    prompt: str = ""
    type: str = "string"
    default: Any = None


class ConfiguredNode(msgspec.Struct, frozen=True):
    """The node to insert, as a flow's document would hold it."""

    node_id: str
    node: Mapping[str, Any]


def is_placeholder(node_id: str) -> bool:
    """Whether this stands for an id that somebody has yet to give."""
    return _PLACEHOLDER.fullmatch(node_id) is not None


def fields(flow: Flow) -> tuple[Field, ...]:
    """What a config flow asks, in the order it asks. Raises Invalid `config_flow_invalid`."""
    asked: list[Field] = []
    for node in _walked(flow)[:-1]:
        entries = fields_of(node.input).get("fields")
        try:
            asked += msgspec.convert(entries, list[Field])
        except msgspec.ValidationError as error:
            raise _invalid(f"The fields of node {node.id!r} cannot be read: {error}.", flow, node) from None
    return tuple(asked)


def configured(flow: Flow, answers: Mapping[str, Any], *, following: str | None = None) -> ConfiguredNode:
    """The node for these answers, leading to `following` where it says NEXT_NODE_PLACEHOLDER, else out of the flow.

    Raises Invalid: `answer_missing`, `answer_unknown`, `config_flow_invalid`, `node_id_placeholder`.
    """
    template = _walked(flow)[-1]
    state = _state(fields(flow), answers)
    made = _rendered(flow, template, state)
    if not isinstance(made, dict) or set(cast(dict[str, Any], made)) != {"node_id", "node"}:
        raise _invalid("The template gives no {node_id, node}.", flow, template)
    node_id, node = cast(Any, made)["node_id"], cast(Any, made)["node"]
    if not isinstance(node_id, str) or not _IDENTIFIER.fullmatch(node_id) or is_placeholder(node_id):
        raise Invalid(
            f"The node id {node_id!r} is a placeholder or no id.",
            code="node_id_placeholder",
            next_step="Let the template give the node an id of its own.",
            place=place_of(flow, template),
        )
    if not isinstance(node, dict) or len(operations(cast(dict[str, Any], node))) != 1:
        raise _invalid("The template's node has not exactly one operation.", flow, template)
    return ConfiguredNode(node_id, _leading(cast(dict[str, Any], node), following))


def _walked(flow: Flow) -> list[Node]:
    """The questions and, last, the template."""
    if flow.kind != "component-config":
        raise Invalid(
            f"{flow.id} is of type {flow.kind}, not component-config.",
            code="config_flow_invalid",
            next_step="Name a flow that asks how a component is set up.",
        )
    node, found = flow.nodes[flow.start], list[Node]()
    while node.component.id == "questions" and node not in found:
        found.append(node)
        if not isinstance(node.routing, Next):
            raise _invalid(f"Node {node.id!r} leads to no one next node.", flow, node)
        node = flow.nodes[node.routing.to]
    if node.component.id != "template" or not isinstance(node.input, str):
        raise _invalid("A config flow asks `questions`, and then gives a `template` text.", flow, node)
    return [*found, node]


def _state(asked: tuple[Field, ...], answers: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.id for field in asked}
    if unknown := sorted(set(answers) - known):
        message = f"Nobody asked for {', '.join(unknown)}."
        raise Invalid(message, code="answer_unknown", next_step=f"Answer {', '.join(sorted(known))}.")
    state = {field.id: answers.get(field.id, field.default) for field in asked}
    if missing := [field.id for field in asked if state[field.id] is None]:
        message = f"There is no answer for {', '.join(missing)}, and no default."
        raise Invalid(message, code="answer_missing", next_step="Answer it.")
    return state


class _Values:
    """The answers as a template sees them."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._known = {"state": dict(state), "answers": dict(state)}

    def get(self, path: Path) -> Any:
        return reach(self._known, path)


def _rendered(flow: Flow, node: Node, state: Mapping[str, Any]) -> Any:
    """The template as JSON: filled in text by text where it is JSON already, so that no answer can break out of one."""
    values, text = _Values(state), cast(str, node.input)
    try:
        try:
            return _filled(json.loads(text), values)
        except json.JSONDecodeError:
            return json.loads(parse_template(text).text(values, strict=True))
    except (ValueError, TemplateError, RenderError, RecursionError) as error:
        raise _invalid(f"The template gives no JSON: {error}.", flow, node) from None


def _filled(value: Any, values: _Values) -> Any:
    if isinstance(value, str):
        return parse_template(value).value(values, strict=True)
    if isinstance(value, list):
        return [_filled(inner, values) for inner in cast(list[Any], value)]
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in cast(dict[str, Any], value).items()}
    return value


def _leading(node: dict[str, Any], following: str | None) -> dict[str, Any]:
    """The node with its placeholder replaced by the node that follows, or by the way out."""
    routing: Any = node.get("routing")
    if not isinstance(routing, list):
        return node
    routes: list[Any] = []
    for route in cast(list[Any], routing):
        known = cast(dict[str, Any], route) if isinstance(route, dict) else {}
        if known.get("to") != NEXT_NODE:
            routes.append(route)
        elif following is not None:
            routes.append({**known, "to": following})
        else:
            routes.append({**{key: value for key, value in known.items() if key != "to"}, "out": True})
    return {**node, "routing": routes}


def _invalid(message: str, flow: Flow, node: Node) -> Invalid:
    step = "Write questions with `fields`, then a template of {node_id, node}."
    return Invalid(message, code="config_flow_invalid", next_step=step, place=place_of(flow, node))
