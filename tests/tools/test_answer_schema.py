"""JSON Schemas of answers: which are taken, what they say, and that no schema and no answer costs more than a bound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lichen.core.patterns.pattern import TEXT_CHARS_MAX
from lichen.tools.arguments.problem import PLACE_CHARS_MAX, Problem
from lichen.tools.arguments.schema import DEPTH_MAX, flaw, problem

SECRET = "hunter2"
TOO_MUCH = Problem("", "It takes too much work to check.")


def nested(depth: int) -> dict[str, Any]:
    """A schema in a schema, this deep."""
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


# -- schemas -----------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-41.1")
@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "strin"}, "/type"),
        ({"type": ["string", "strin"]}, "/type"),
        ({"properties": {"a/b": {"required": "c"}}}, "/properties/a~1b/required"),
        ({"enum": "small"}, "/enum"),
        ({"multipleOf": 0}, "/multipleOf"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {}}}, "/$ref"),
        ({"items": {"anyOf": [{}, {"$ref": "https://example.org/schema"}]}}, "/items/anyOf/1/$ref"),
        ({"not": {"$dynamicRef": "#meta"}}, "/not/$dynamicRef"),
        ({"unevaluatedProperties": False}, "/unevaluatedProperties"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
        ({"pattern": "("}, "/pattern"),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, "/properties/a/pattern"),
        ({"patternProperties": {r"(\w+\s?)+!": {}}}, "/patternProperties"),
        ({"description": "x" * 70_000}, ""),
        ({"const": object()}, ""),
        (nested(DEPTH_MAX + 1), "/not" * (DEPTH_MAX + 1)),
        (nested(5_000), ""),
        ([{"type": "string"}], ""),
    ],
)
def test_a_schema_that_is_wrong_or_cannot_be_checked_is_refused_with_its_place(schema: Any, place: str) -> None:
    found = flaw(schema)
    assert found is not None
    assert found.place == place


@pytest.mark.req("GOA-41.1")
@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string", "enum": ["small", "large"]},
        {"type": ["integer", "null"], "minimum": 1},
        {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
        {"const": {"$ref": "#", "pattern": "("}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "pattern": "^[A-Z]{2}[0-9]+$"},
        {"properties": {f"field_{i}": {"type": "string", "maxLength": 40} for i in range(300)}},
        nested(DEPTH_MAX),
    ],
)
def test_a_schema_that_is_right_is_taken(schema: dict[str, Any]) -> None:
    assert flaw(schema) is None


# -- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-41.1")
@pytest.mark.parametrize(
    ("schema", "value", "place"),
    [
        ({"type": "object"}, [], ""),
        ({"required": ["a", "b/c"]}, {"a": 1}, "/b~1c"),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1, "x~y": 2}, "/x~0y"),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"ab": 1, "b": 2}, "/b"),
        ({"properties": {"a": {"items": {"enum": ["x"]}}}}, {"a": ["x", "y"]}, "/a/1"),
        ({"items": {"pattern": "^[0-9]+$"}}, ["1", "x"], "/1"),
    ],
)
def test_the_first_thing_that_does_not_fit_is_named_by_its_place(
    schema: dict[str, Any], value: Any, place: str
) -> None:
    assert flaw(schema) is None
    found = problem(schema, value)
    assert found is not None
    assert found.place == place


@pytest.mark.req("GOA-41.1")
def test_what_is_wrong_is_said_without_the_value_and_in_few_words() -> None:
    schemas: list[dict[str, Any]] = [{"const": 1}, {"enum": [1]}, {"type": "null"}, {"pattern": "^x"}, {"not": {}}]
    for schema in schemas:
        found = problem(schema, SECRET)
        assert found is not None
        assert SECRET not in str(found)
    found = problem({"additionalProperties": {"type": "null"}}, {"k" * 3_000: 1})
    assert found is not None
    assert len(found.place) == PLACE_CHARS_MAX + 1


@pytest.mark.req("GOA-41.1")
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 1.0),
        ({"enum": [1, {"a": [2.0]}]}, {"a": [2]}),
        ({"const": 1.0}, 1),
        ({"uniqueItems": True}, [1, True, "1", None, [1], [True]]),
        ({"multipleOf": 0.5}, 1e300),
    ],
)
def test_numbers_are_compared_as_numbers_and_never_with_truth_values(schema: dict[str, Any], value: Any) -> None:
    assert problem(schema, value) is None
    assert problem({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2.0, "a": 1}]) is not None


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, "", "a", "ab"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)
COUNT = st.integers(0, 3)
KINDS = st.sampled_from(["string", "number", "integer", "boolean", "object", "array", "null"])


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "type": KINDS | st.lists(KINDS, min_size=1, unique=True),
        "enum": st.lists(VALUES, max_size=3),
        "const": VALUES,
        "minimum": COUNT,
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "maxLength": COUNT,
        "pattern": st.sampled_from(["^a", "b$", "."]),
        "items": inner,
        "prefixItems": several,
        "contains": inner,
        "minItems": COUNT,
        "uniqueItems": st.booleans(),
        "properties": named,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "[bc]"]), inner, max_size=2),
        "additionalProperties": inner | st.booleans(),
        "propertyNames": inner,
        "required": st.lists(st.sampled_from("abc"), unique=True),
        "dependentRequired": st.dictionaries(st.sampled_from("abc"), st.just(["a"]), max_size=2),
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
    }
    return st.lists(st.sampled_from(sorted(keywords)), max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: keywords[name] for name in chosen})
    )


@pytest.mark.req("GOA-41.1")
@settings(max_examples=300, deadline=None)
@given(schema=st.recursive(_schemas(st.just({})), _schemas, max_leaves=6), value=VALUES)
def test_an_answer_fits_if_and_only_if_json_schema_says_so(schema: dict[str, Any], value: Any) -> None:
    assert flaw(schema) is None
    judge: Any = Draft202012Validator(schema)
    assert (problem(schema, value) is None) == judge.is_valid(value)


# -- bounds ------------------------------------------------------------------------------------------------------

HEAVY: list[tuple[dict[str, Any], Any]] = [
    ({"anyOf": [{"type": "string"}] * 3_000}, [1] * 32_000),
    ({"items": {"anyOf": [{"type": "string"}] * 3_000}}, [1] * 32_000),
    ({"items": {"anyOf": [{"required": [f"m{i}" for i in range(5_000)]}, {}]}}, [{}] * 20_000),
    ({"items": {"not": {"enum": [str(i) for i in range(8_000)]}}}, ["x"] * 10_000),
    ({"items": {"not": {"pattern": r"\w+\s?x"}}}, ["a" * TEXT_CHARS_MAX] * 15),
    ({"pattern": "a"}, "a" * (TEXT_CHARS_MAX + 1)),
    ({"additionalProperties": False, "patternProperties": {r"\w+\s?x": {}}}, {"a" * 60_000: 1}),
]


@pytest.mark.req("GOA-41.2")
@pytest.mark.parametrize(
    ("schema", "value"), HEAVY, ids=["errors", "items", "names", "choices", "patterns", "long", "key"]
)
def test_a_check_that_takes_too_much_work_is_given_up(schema: dict[str, Any], value: Any) -> None:
    assert problem(schema, value) == TOO_MUCH


@pytest.mark.req("GOA-41.2")
def test_an_answer_of_the_largest_size_is_checked_in_full() -> None:
    call = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "ok": {"type": "boolean"}}}
    schema = {"type": "array", "items": {**call, "additionalProperties": False}}
    results: list[Any] = [{"id": "c1", "ok": True}] * 2_900  # some 64 KiB
    assert problem(schema, results) is None
    assert problem(schema, [*results, {"id": "c1", "ok": 1}]) is not None
    assert problem({"uniqueItems": True}, [{"a": i} for i in range(6_000)]) is None


@pytest.mark.req("GOA-41.2")
def test_a_value_that_is_nested_without_end_is_no_answer() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    assert problem({"type": "array"}, value) is not None
