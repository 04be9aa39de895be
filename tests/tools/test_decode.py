"""What a model may send as arguments, and what it is told otherwise."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_core._pydantic_core import list_all_errors  # pyright: ignore[reportPrivateUsage]

from lichen.core.ports.call import ARGUMENT_BYTES_MAX, InvalidArguments, Issue
from lichen.core.words.errors import Invalid
from lichen.tools import Money, tool
from lichen.tools.arguments import issues
from lichen.tools.arguments.codec import ArgumentCodec
from lichen.tools.arguments.document import DEPTH_MAX, ISSUES_MAX

CODES = {
    "missing_field",
    "invalid_enum_value",
    "invalid_format",
    "invalid_pattern",
    "invalid_range",
    "invalid_length",
    "invalid_field_type",
    "unknown_field",
}


class Speed(enum.Enum):
    normal = "normal"
    express = "it's express"


class Card(BaseModel):
    kind: Literal["card"]
    number: str


class Transfer(BaseModel):
    kind: Literal["transfer"]
    iban: Annotated[str, Field(min_length=4)]


@dataclass
class Parcel:
    weight_g: int
    fragile: bool = False


class Even(BaseModel):
    value: int

    @field_validator("value")
    @classmethod
    def is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"{value} is odd")
        return value


@tool(name="shop.order")
async def order(
    sku: Annotated[str, Field(pattern=r"^[A-Z]{2}-\d+$", max_length=10)],
    amount: Money,
    speed: Speed = Speed.normal,
    pay: Annotated[Card | Transfer | None, Field(discriminator="kind")] = None,
    parcels: Annotated[list[Parcel], Field(max_length=2)] = [],  # noqa: B006 - copied for every call
    on: date | None = None,
    rate: Decimal = Decimal("1.5"),
    notes: dict[str, int] = {},  # noqa: B006
    extra: Card | int | None = None,
    even: Even | None = None,
    share: float = 0.5,
) -> None:
    """Orders."""


GOOD: dict[str, Any] = {"sku": "AB-1", "amount": 5}


def told(args: bytes | dict[str, Any]) -> tuple[Issue, ...]:
    """The issues of arguments that must be refused."""
    raw = args if isinstance(args, bytes) else json.dumps(args).encode()
    with pytest.raises(InvalidArguments) as caught:
        order.decode(raw)
    assert {issue.constraint for issue in caught.value.issues} <= CODES
    return caught.value.issues


def brief(args: bytes | dict[str, Any]) -> set[tuple[str, str]]:
    return {(issue.field, issue.constraint) for issue in told(args)}


@pytest.mark.req("GOA-2.2")
def test_an_unknown_field_is_refused_by_name_at_every_level() -> None:
    sent = {
        **GOOD,
        "skuu": 1,
        "pay": {"kind": "card", "number": "4", "cvc": "1"},
        "parcels": [{"weight_g": 1, "size": 2}],
    }
    assert brief(sent) == {
        ("/skuu", "unknown_field"),
        ("/pay/cvc", "unknown_field"),
        ("/parcels/0/size", "unknown_field"),
    }


@pytest.mark.req("GOA-2.3")
def test_a_missing_field_is_named_at_every_level() -> None:
    assert brief({"pay": {"kind": "card"}, "parcels": [{"weight_g": 1}, {}]}) == {
        ("/sku", "missing_field"),
        ("/amount", "missing_field"),
        ("/pay/number", "missing_field"),
        ("/parcels/1/weight_g", "missing_field"),
    }


@pytest.mark.req("GOA-2.3")
def test_the_field_that_tells_the_members_of_a_union_apart_is_named_when_missing() -> None:
    assert brief({**GOOD, "pay": {"number": "4"}}) == {("/pay/kind", "missing_field")}


@pytest.mark.req("GOA-2.4")
@pytest.mark.parametrize(
    ("change", "field", "constraint"),
    [
        ({"sku": "nope"}, "/sku", "invalid_pattern"),
        ({"sku": "AB-123456789"}, "/sku", "invalid_length"),
        ({"amount": 0}, "/amount", "invalid_range"),
        ({"amount": 10**12 + 1}, "/amount", "invalid_range"),
        ({"amount": 10**30}, "/amount", "invalid_range"),
        ({"amount": None}, "/amount", "invalid_field_type"),
        ({"speed": "slow"}, "/speed", "invalid_enum_value"),
        ({"pay": {"kind": "cash"}}, "/pay/kind", "invalid_enum_value"),
        ({"pay": {"kind": "transfer", "iban": "x"}}, "/pay/iban", "invalid_length"),
        ({"parcels": [{"weight_g": 1}] * 3}, "/parcels", "invalid_length"),
        ({"parcels": {}}, "/parcels", "invalid_field_type"),
        ({"parcels": [{"weight_g": True}]}, "/parcels/0/weight_g", "invalid_field_type"),
        ({"on": "2024-02-30"}, "/on", "invalid_format"),
        ({"rate": "x"}, "/rate", "invalid_format"),
        ({"notes": {"a": "b"}}, "/notes/a", "invalid_field_type"),
        ({"even": {"value": 3}}, "/even/value", "invalid_format"),
    ],
)
def test_an_invalid_value_is_told_by_pointer_and_constraint(
    change: dict[str, Any], field: str, constraint: str
) -> None:
    assert brief({**GOOD, **change}) == {(field, constraint)}


@pytest.mark.req("GOA-2.4")
def test_an_invalid_choice_comes_with_what_is_allowed() -> None:
    (issue,) = told({**GOOD, "speed": "slow"})
    assert issue.allowed == ("normal", "it's express")
    (issue,) = told({**GOOD, "pay": {"kind": "cash"}})
    assert issue.allowed == ("card", "transfer")


@pytest.mark.req("GOA-2.4")
def test_a_constraint_is_told_in_words() -> None:
    (issue,) = told({**GOOD, "amount": 0})
    assert issue.message == "must be at least 1."


@pytest.mark.req("GOA-2.4")
def test_a_member_of_a_union_does_not_show_in_the_pointer() -> None:
    assert {field for field, _ in brief({**GOOD, "extra": {"kind": "card"}})} == {"/extra", "/extra/number"}


@pytest.mark.req("GOA-2.4")
def test_every_error_that_pydantic_knows_has_a_documented_code() -> None:
    for error in list_all_errors():
        constraint, template = issues._rule(error["type"])  # pyright: ignore[reportPrivateUsage]
        assert constraint in CODES
        assert template.format_map(error.get("example_context") or {}).endswith((".", "pattern "))


@pytest.mark.req("GOA-2.4")
def test_an_error_of_a_validator_that_borrows_a_known_name_is_told_without_its_bound() -> None:
    assert issues._Bounds({})["ge"] == "the bound"  # pyright: ignore[reportPrivateUsage]


@pytest.mark.req("GOA-2.5")
@pytest.mark.parametrize(
    "change",
    [{"amount": "5"}, {"amount": 5.0}, {"sku": 5}, {"share": "0.5"}, {"parcels": [{"weight_g": 1, "fragile": 1}]}],
)
def test_nothing_is_coerced(change: dict[str, Any]) -> None:
    assert {constraint for _, constraint in brief({**GOOD, **change})} == {"invalid_field_type"}


@pytest.mark.req("GOA-2.5")
def test_what_json_cannot_write_is_taken_in_its_json_form() -> None:
    codec = ArgumentCodec(Natural)
    sent = b'{"when":"2024-01-02T03:04:05Z","id":"12345678-1234-5678-1234-567812345678","rate":"1.50","speed":"normal"}'
    value = codec.value(codec.decode(sent))
    assert value.when == datetime.fromisoformat("2024-01-02T03:04:05+00:00")
    assert (value.id, value.rate, value.speed) == (
        UUID(int=0x12345678123456781234567812345678),
        Decimal("1.50"),
        Speed.normal,
    )


class Natural(BaseModel):
    when: datetime
    id: UUID
    rate: Decimal
    speed: Speed


@pytest.mark.req("GOA-2.6")
def test_no_value_that_was_sent_shows_in_the_error() -> None:
    secret = "hunter2"
    sent: dict[str, Any] = {
        "sku": secret,
        "amount": secret,
        "speed": secret,
        "pay": {"kind": secret},
        "on": secret,
        "even": {"value": secret},
        "notes": {f"{secret} with spaces": "x"},
        f"{secret}/unknown": secret,
    }
    with pytest.raises(InvalidArguments) as caught:
        order.decode(json.dumps(sent).encode())
    assert len(caught.value.issues) == 8
    assert secret not in f"{caught.value!s} {caught.value!r} {caught.value.issues}"
    assert caught.value.__cause__ is None


@pytest.mark.req("GOA-2.6")
def test_a_validators_own_text_stays_inside() -> None:
    (issue,) = told({**GOOD, "even": {"value": 3133731337}})
    assert "3133731337" not in issue.message


@pytest.mark.req("GOA-2.7")
@pytest.mark.parametrize(
    ("args", "field", "constraint"),
    [
        (b'{"sku":"AB-1","sku":"AB-2","amount":5}', "/sku", "invalid_format"),
        (b'{"sku":"AB-1","amount":5,"parcels":[{"weight_g":1,"weight_g":2}]}', "/parcels/0/weight_g", "invalid_format"),
        (b'{"sku":"AB-1","amount":NaN}', "/amount", "invalid_format"),
        (b'{"sku":"AB-1","amount":5,"share":-Infinity}', "/share", "invalid_format"),
        (b'{"sku":"AB-1","amount":5,"share":1e999}', "/share", "invalid_range"),
        (b'{"sku":"AB-1","amount":5,"notes":{"a":9223372036854775808}}', "/notes/a", "invalid_range"),
        (b'{"sku":"AB-1","amount":5,"notes":{"a":' + b"9" * 5000 + b"}}", "/notes/a", "invalid_range"),
        (b"", "", "invalid_format"),
        (b"{", "", "invalid_format"),
        (b"\xff", "", "invalid_format"),
        (b"\xef\xbb\xbf{}", "", "invalid_format"),
        (b'"\\ud800"', "", "invalid_format"),
        (b"[]", "", "invalid_field_type"),
        (b"null", "", "invalid_field_type"),
    ],
)
def test_json_that_parsers_read_differently_is_refused(args: bytes, field: str, constraint: str) -> None:
    assert brief(args) == {(field, constraint)}


@pytest.mark.req("GOA-2.7")
def test_arguments_have_a_bound_in_bytes() -> None:
    assert brief(b'{"sku":"' + b"x" * ARGUMENT_BYTES_MAX + b'"}') == {("", "invalid_length")}


@pytest.mark.req("GOA-2.7")
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_arguments_have_a_bound_in_depth(opening: bytes) -> None:
    assert brief(opening * (DEPTH_MAX + 1)) == {("", "invalid_length")}


@pytest.mark.req("GOA-2.7")
def test_brackets_in_strings_and_beside_each_other_are_not_depth() -> None:
    codec = ArgumentCodec(Lists)
    sent = json.dumps({"rows": [['[[{\\"' * DEPTH_MAX, '"[']] * DEPTH_MAX}).encode()
    assert json.loads(codec.decode(sent).data) == json.loads(sent)


class Lists(BaseModel):
    rows: list[list[str]]


@pytest.mark.req("GOA-2.7")
@pytest.mark.parametrize("count", [ISSUES_MAX + 1, 20_000])
def test_issues_have_a_bound_in_number(count: int) -> None:
    assert 1 <= len(told({**GOOD, "notes": {f"n{i}": "x" for i in range(count)}})) <= ISSUES_MAX


@pytest.mark.req("GOA-2.8")
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary())
def test_arbitrary_bytes_are_decoded_or_refused_and_nothing_else(args: bytes) -> None:
    try:
        order.decode(args)
    except InvalidArguments as error:
        assert error.issues  # noqa: PT017 - either way is right; only a third one is not


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.req("GOA-2.8")
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(order.spec.input_schema["properties"])), json_values))
def test_arbitrary_fields_are_decoded_or_refused_and_nothing_else(fields: dict[str, Any]) -> None:
    try:
        order.decode(json.dumps({**GOOD, **fields}).encode())
    except InvalidArguments as error:
        assert {issue.constraint for issue in error.issues} <= CODES  # noqa: PT017


valid = st.fixed_dictionaries(
    {"sku": st.from_regex(r"\A[A-Z]{2}-[0-9]{1,6}\Z"), "amount": st.integers(1, 10**12)},
    optional={
        "speed": st.sampled_from(["normal", "it's express"]),
        "pay": st.none() | st.fixed_dictionaries({"kind": st.just("card"), "number": st.text()}),
        "parcels": st.lists(
            st.fixed_dictionaries({"weight_g": st.integers(0, 10**6)}, optional={"fragile": st.booleans()}), max_size=2
        ),
        "on": st.dates().map(str),
        "rate": st.decimals(allow_nan=False, allow_infinity=False).map(str),
        "notes": st.dictionaries(st.text(), st.integers(-(2**63), 2**63 - 1)),
        "share": st.floats(allow_nan=False, allow_infinity=False),
    },
)


@pytest.mark.req("GOA-2.8")
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(valid, st.randoms(use_true_random=False))
def test_valid_arguments_have_one_canonical_form_that_is_its_own(fields: dict[str, Any], random: Any) -> None:
    shuffled = list(fields.items())
    random.shuffle(shuffled)
    canonical = order.decode(json.dumps(fields).encode()).data
    assert order.decode(json.dumps(dict(shuffled), indent=2).encode()).data == canonical
    assert order.decode(canonical).data == canonical
    assert {**fields, **json.loads(canonical)}.keys() == set(order.spec.input_schema["properties"])


@pytest.mark.req("GOA-3.1")
def test_defaults_are_filled_in_at_every_level() -> None:
    sent = {**GOOD, "parcels": [{"weight_g": 1}]}
    decoded = json.loads(order.decode(json.dumps(sent).encode()).data)
    assert decoded["speed"] == "normal"
    assert decoded["rate"] == "1.5"
    assert decoded["pay"] is None
    assert decoded["parcels"] == [{"weight_g": 1, "fragile": False}]


@pytest.mark.req("GOA-2.1")
def test_the_schema_closes_every_object_as_decoding_does() -> None:
    schema = order.spec.input_schema
    assert schema["additionalProperties"] is False
    assert all(schema["$defs"][name]["additionalProperties"] is False for name in ("Card", "Transfer", "Parcel"))


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Labels(BaseModel):
    labels: list[set[str]]


class Tree(BaseModel):
    label: str
    branches: list[Tree] = []


@pytest.mark.req("GOA-2.1")
@pytest.mark.parametrize("annotation", [Open, Labels, int, list[int], dict[str, Any] | int])
def test_a_type_without_a_closed_stable_form_is_refused(annotation: Any) -> None:
    with pytest.raises(Invalid) as caught:
        ArgumentCodec(annotation, "file.py:1")
    assert (caught.value.code, caught.value.place) == ("tool_invalid", "file.py:1")


@pytest.mark.req("GOA-2.1")
def test_a_recursive_type_has_its_fields_at_the_root_of_the_schema() -> None:
    codec = ArgumentCodec(Tree)
    assert list(codec.schema["properties"]) == ["label", "branches"]
    assert codec.decode(b'{"label":"a","branches":[{"label":"b"}]}').data == (
        b'{"branches":[{"branches":[],"label":"b"}],"label":"a"}'
    )


class Masked(BaseModel):
    password: SecretStr
    path: Path = Path("x")


@pytest.mark.req("GOA-2.8")
def test_a_value_that_would_reach_the_tool_changed_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        ArgumentCodec(Masked).decode(b'{"password":"hunter2"}')
    assert caught.value.code == "tool_invalid"
    assert "hunter2" not in str(caught.value)
