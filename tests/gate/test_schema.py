"""What policies may read of a tool, and what they are told of the rest."""

from __future__ import annotations

from typing import Any

import cedarpy
import msgspec
import pytest

from lichen.gate.cedar.shapes import Unusable, projection
from lichen.gate.cedar.values import Truth
from lichen.gate.rules.policies import policy_set
from lichen.gate.rules.schema import ACTIONS, schema_of
from tests.gate.shop import COUNTED, MAIL, REFUND, TOOLS


def fields(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **more}


LONG, STRING, BOOLEAN = {"type": "Long"}, {"type": "String"}, {"type": "Boolean"}


@pytest.mark.req("SYM-70.8")
@pytest.mark.parametrize(
    ("schema", "cedar"),
    [
        ({"type": "integer"}, LONG),
        ({"type": "string", "format": "date"}, STRING),
        ({"type": "boolean"}, BOOLEAN),
        ({"enum": ["a", "b"]}, STRING),
        ({"const": 3}, LONG),
        ({"type": ["string", "null"]}, STRING),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, LONG),
        ({"anyOf": [{"type": "string", "format": "uri"}, {"type": "string"}]}, STRING),
        ({"allOf": [{"$ref": "#/$defs/Id"}]}, STRING),
        ({"$ref": "#/$defs/Id"}, STRING),
        ({"$ref": "#/$defs/a~1b"}, BOOLEAN),
        ({"type": "array", "items": {"$ref": "#/$defs/Id"}}, {"type": "Set", "element": STRING}),
        (
            fields({"n": {"type": "integer"}, "s": {"type": "string"}}, required=["n"]),
            {"type": "Record", "attributes": {"n": {**LONG, "required": True}, "s": {**STRING, "required": False}}},
        ),
    ],
)
def test_a_json_type_has_its_cedar_type(schema: dict[str, Any], cedar: dict[str, Any]) -> None:
    root = fields({"x": schema}, **{"$defs": {"Id": {"type": "string"}, "a/b": {"type": "boolean"}}})
    found = projection(root, "args")
    assert found.left_out == {}
    assert found.shape.cedar["attributes"]["x"] == {**cedar, "required": False}


@pytest.mark.req("SYM-70.8")
@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "number"}, "a number with a fraction"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "more than one type"),
        ({"type": ["integer", "string"]}, "more than one type"),
        ({"enum": [1, "a"]}, "no declared type"),
        ({}, "no declared type"),
        (True, "no declared type"),
        ({"type": "object"}, "fields are not declared"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "fields are not declared"),
        ({"type": "array"}, "no single declared type"),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": False}, "no single declared type"),
        ({"type": "array", "items": {"type": ["string", "null"]}}, "may be null"),
        ({"type": "array", "items": {"type": "number"}}, "a number with a fraction"),
        ({"$ref": "#/$defs/Missing"}, "not in its schema"),
        ({"$ref": "other.json#/x"}, "not in its schema"),
        ({"$ref": "#/$defs/Loop"}, "refers to itself"),
    ],
)
def test_what_cedar_has_no_type_for_is_left_out_with_the_reason(schema: Any, reason: str) -> None:
    root = fields({"x": schema, "y": {"type": "string"}}, **{"$defs": {"Loop": {"$ref": "#/$defs/Loop"}}})
    found = projection(root, "args")
    assert list(found.left_out) == ["args.x"]
    assert reason in found.left_out["args.x"]
    assert list(found.shape.cedar["attributes"]) == ["y"]


def test_a_type_that_holds_itself_is_read_up_to_where_it_begins_again() -> None:
    tree = fields({"value": {"type": "integer"}, "left": {"$ref": "#/$defs/T"}, "right": {"$ref": "#/$defs/T"}})
    found = projection(fields({"tree": {"$ref": "#/$defs/T"}}, **{"$defs": {"T": tree}}), "args")
    assert list(found.shape.cedar["attributes"]["tree"]["attributes"]) == ["value"]
    assert set(found.left_out) == {"args.tree.left", "args.tree.right"}


def test_values_are_handed_over_as_declared_and_the_rest_is_not_handed_over() -> None:
    args = projection(MAIL.input_schema, "args").shape
    given = {"to": ["a", "b", "a"], "cc": None, "weight": 1.5, "body": {"text": "x", "urgent": True}, "extra": 1}
    assert args.value(given) == {"to": frozenset({"a", "b"}), "body": {"text": "x", "urgent": True}}
    flags = projection(fields({"x": {"type": "array", "items": {"type": "boolean"}}}), "args").shape
    assert flags.value({"x": [True, True]}) == {"x": frozenset({Truth.TRUE})}


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "args.to is missing"),
        ({"to": "a"}, "args.to is no array"),
        ({"to": [1]}, "args.to.* is no string"),
        ({"to": [], "body": {}}, "args.body.text is missing"),
        ({"to": [], "body": []}, "args.body is no object"),
        ({"to": [], "body": {"text": "secret", "urgent": 1}}, "args.body.urgent is no boolean"),
        ([], "args is no object"),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_name_of_its_field(given: Any, where: str) -> None:
    with pytest.raises(Unusable, match=where.replace("*", r"\*")) as caught:
        projection(MAIL.input_schema, "args").shape.value(given)
    assert "secret" not in str(caught.value)


@pytest.mark.req("SYM-70.10")
def test_the_schema_has_every_tool_in_its_groups_and_every_fixed_action() -> None:
    text = schema_of(TOOLS).text
    assert 'action "payments.refund" in [Action::"tool.call.once"]' in text
    assert 'action "orders.lookup" in [Action::"tool.call.none"]' in text
    assert 'action "tool.call.once" in [Action::"tool.call"]' in text
    assert all(f'action "{name}" appliesTo' in text for name in ACTIONS)
    assert cedarpy.Schema.from_str(text)


@pytest.mark.req("SYM-70.10")
def test_a_policy_may_read_all_of_the_documented_context() -> None:
    condition = """
        context.args.order_id == "A-1" && context.args.amount > 1 && context.facts.price >= context.facts.refunded &&
        context.meters.refunds < 3 && context.pending.refunded == 0 && context.label.sources.contains("x") &&
        !context.label.tainted && context.label.secrecy < 2 && context.endorsed.order_id &&
        context.actor.kind == "customer" && context.actor.roles.contains("gold") && context.tool.effects == "once" &&
        context.tool.tags.contains("money") && principal.roles.isEmpty() && resource in Toolset::"payments"
    """
    text = f'permit(principal, action == Action::"payments.refund", resource) when {{ {condition} }};'
    assert policy_set({"a.cedar": text, "meters.toml": COUNTED}, TOOLS)


@pytest.mark.req("SYM-70.10")
def test_a_tool_in_a_service_is_in_the_toolset_and_in_the_service() -> None:
    spec = msgspec.structs.replace(REFUND, name="shop.payments.refund")
    resource = schema_of([spec]).views["shop.payments.refund"].resource
    assert resource is not None
    assert list(resource.closure) == ['Tool::"shop.payments.refund"', 'Toolset::"shop.payments"', 'Toolset::"shop"']
