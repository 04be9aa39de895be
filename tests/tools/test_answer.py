from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from lichen.core.ports.call import InvalidArguments
from lichen.core.words.errors import Invalid
from lichen.tools.arguments.answer import SchemaAnswer, TypedAnswer, answer_type, inlined
from lichen.tools.arguments.sample import sample_of


class Reason(Enum):
    BROKEN = "broken"
    LATE = "late"


class Item(BaseModel):
    name: str
    count: Annotated[int, Field(ge=1)] = 1


class Refund(BaseModel):
    """What is paid back."""

    order_id: Annotated[str, Field(pattern=r"^\d{4}$")]
    amount: Annotated[int, Field(gt=0, description="In cents.")]
    reason: Reason
    items: list[Item] = []
    on: date | None = None


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


@dataclass
class Point:
    x: int
    y: int


REFUND = TypedAnswer(Refund)
GOOD = b'{"order_id":"1042","amount":8000,"reason":"late"}'
TYPES: list[tuple[Any, bytes, Any]] = [
    (Refund, GOOD, Refund(order_id="1042", amount=8000, reason=Reason.LATE)),
    (int, b"5", 5),
    (Literal["yes", "no"], b'"no"', "no"),
    (list[Item], b'[{"name":"cup"}]', [Item(name="cup")]),
    (Item | int, b"7", 7),
    (Point, b'{"x":1,"y":2}', Point(1, 2)),
    (dict[str, int], b'{"a":1}', {"a": 1}),
    (Tree, b'{"name":"a","children":[{"name":"b"}]}', Tree(name="a", children=[Tree(name="b")])),
    (Decimal, b'"1.50"', Decimal("1.50")),
    (str | None, b"null", None),
]


@pytest.mark.req("GOA-61.1")
@pytest.mark.parametrize(("given", "data", "value"), TYPES, ids=lambda each: str(each)[:30])
def test_a_value_of_any_type_pydantic_knows_is_read_and_kept(given: Any, data: bytes, value: Any) -> None:
    answers = answer_type(given)
    kept = answers.decode(data)
    assert answers.value(kept) == value
    assert answers.decode(kept) == kept, "what is kept is canonical"


@pytest.mark.req("GOA-61.1")
@pytest.mark.parametrize(
    ("data", "places"),
    [
        (b'{"order_id":"12","amount":0,"reason":"x"}', {"/order_id", "/amount", "/reason"}),
        (b'{"order_id":"1042","amount":"8000","reason":"late"}', {"/amount"}),
        (b'{"order_id":"1042","amount":8000,"reason":"late","tip":1}', {"/tip"}),
        (b'{"order_id":"1042"}', {"/amount", "/reason"}),
        (b"[]", {""}),
        (b"no", {""}),
        (b'1},"more":{"a":1', {""}),
        (b"", {""}),
    ],
)
def test_what_does_not_fit_is_told_by_its_places(data: bytes, places: set[str]) -> None:
    with pytest.raises(InvalidArguments) as caught:
        REFUND.decode(data)
    assert {issue.field for issue in caught.value.issues} == places


def test_the_schema_is_the_values_own_and_says_what_strict_reading_does() -> None:
    assert REFUND.name == "Refund"
    assert REFUND.schema["type"] == "object"
    assert set(REFUND.schema["properties"]) == {"order_id", "amount", "reason", "items", "on"}
    assert REFUND.schema["additionalProperties"] is False
    assert REFUND.schema["description"] == "What is paid back."
    assert set(REFUND.schema["$defs"]) == {"Reason", "Item"}
    assert TypedAnswer(int).schema == {"type": "integer"}
    assert "Tree" in TypedAnswer(Tree).schema["$defs"], "it refers to itself"
    assert TypedAnswer(list[Item]).name == "list"


@pytest.mark.parametrize("wrong", [set[int], object(), {"$ref": "#"}, {"type": 7}])
def test_a_type_that_json_cannot_hold_or_check_is_refused(wrong: Any) -> None:
    with pytest.raises(Invalid) as caught:
        answer_type(wrong)
    assert caught.value.code in ("tool_invalid", "answer_schema_invalid")


# -- schemas -----------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-61.2")
@pytest.mark.parametrize(("given", "data", "value"), TYPES[:-1], ids=lambda each: str(each)[:30])
def test_a_schema_without_references_takes_what_the_type_takes(given: Any, data: bytes, value: Any) -> None:
    if given is Tree:
        with pytest.raises(Invalid) as caught:
            inlined(TypedAnswer(Tree).schema)
        assert caught.value.code == "answer_schema_invalid"
        return
    schema = inlined(TypedAnswer(given).schema)
    assert "$ref" not in msgspec.json.encode(schema).decode()
    assert answer_type(schema).value(SchemaAnswer(schema).decode(data)) == msgspec.json.decode(data)


def test_a_schema_refuses_what_does_not_fit_with_its_place() -> None:
    schema = SchemaAnswer({"title": "A refund!", "type": "object", "properties": {"amount": {"type": "integer"}}})
    assert schema.name == "A_refund"
    with pytest.raises(InvalidArguments) as caught:
        schema.decode(b'{"amount":"8"}')
    assert [issue.field for issue in caught.value.issues] == ["/amount"]
    with pytest.raises(InvalidArguments):
        schema.decode(b"{")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_json_survives_a_type_that_allows_all_of_it(tree: Any) -> None:
    data = msgspec.json.encode(tree)
    for answers in (SchemaAnswer({}), TypedAnswer(Any)):
        assert answers.value(answers.decode(data)) == tree


# -- examples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [int, bool, list[Item], Item, Point, Literal["yes", "no"], date, str | None, Tree])
def test_an_example_fits_the_type(given: Any) -> None:
    answers = TypedAnswer(given)
    answers.decode(msgspec.json.encode(sample_of(answers.schema)))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 7, "multipleOf": 5},
        {"type": "integer", "exclusiveMinimum": 10},
        {"type": "number", "maximum": -1},
        {"type": "string", "minLength": 9},
        {"type": "string", "maxLength": 2},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3},
        {"type": ["null", "string"]},
        {"enum": ["a"]},
        {"const": 4},
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    ],
)
def test_an_example_keeps_to_bounds(schema: dict[str, Any]) -> None:
    SchemaAnswer(schema).decode(msgspec.json.encode(sample_of(schema)))
