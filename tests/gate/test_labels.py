"""An argument is trusted where an accepted source said it, and nowhere else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lichen.core.ports.policy import Evidence
from lichen.core.words.label import Label
from lichen.gate.label.evidence import TEXT_CHARS_MAX, VALUES_MAX, notations
from lichen.gate.label.labels import (
    LEAVES_MAX,
    MODEL,
    arguments_of,
    endorse,
    evidence_from_json,
    evidence_from_text,
    is_vouched,
)
from tests.gate.shop import MAIL, REFUND, Shop

TAINTED = Label(("customer:c1", "third_party:web.fetch"))
TRUSTED_ONLY = """
permit(principal, action, resource);
@id("order") forbid(principal, action == Action::"payments.refund", resource)
when { context.label.tainted && !context.endorsed.order_id };
@id("amount") forbid(principal, action == Action::"payments.refund", resource)
when { context.label.tainted && !context.endorsed.amount };
@id("to") forbid(principal, action == Action::"mail.send", resource)
when { context.label.tainted && !context.endorsed.to };
"""


def said(text: str) -> tuple[Evidence, ...]:
    return (evidence_from_text("customer:c1", text),)


# -- what policies make of it ------------------------------------------------------------------------------------


@pytest.mark.req("LIC-10.1")
@pytest.mark.parametrize(
    ("text", "order", "amount", "deniers"),
    [
        ("Please refund order A-1, 10.00 EUR.", "A-1", 1000, ()),
        ("please refund ORDER a-1: 10€", "A-1", 1000, ()),
        ("Please refund order A-1.", "A-1", 1000, ("amount",)),
        ("Please refund 10,00 €", "A-1", 1000, ("order",)),
        ("Please refund order A-1, 10.00 EUR.", "A-2", 9999, ("order", "amount")),
        ("", "A-1", 1000, ("order", "amount")),
    ],
)
async def test_after_a_strangers_text_only_what_the_customer_said_passes(
    text: str, order: str, amount: int, deniers: tuple[str, ...]
) -> None:
    shop = Shop(TRUSTED_ONLY)
    verdict = await shop.ask(shop.refund(order=order, amount=amount, label=TAINTED, evidence=said(text)))
    assert verdict.outcome == ("deny" if deniers else "allow")
    assert not deniers or verdict.policies == deniers
    untouched = await shop.ask(shop.refund("c2", order=order, amount=amount, evidence=said(text)))
    assert untouched.outcome == "allow"


@pytest.mark.req("LIC-10.1")
async def test_a_hijacked_model_cannot_choose_the_recipient() -> None:
    shop = Shop(TRUSTED_ONLY)
    heard = said("Send it to Anna@Example.org and to bob@example.org!")
    for recipients, outcome in [
        (["anna@example.org"], "allow"),
        (["bob@example.org", "anna@example.org"], "allow"),
        (["anna@example.org", "evil@example.com"], "deny"),
        (["anna@example.org.evil.com"], "deny"),
        (["example.org"], "deny"),
        ([], "deny"),
    ]:
        verdict = await shop.ask(shop.call(MAIL, {"to": recipients}, label=TAINTED, evidence=heard))
        assert verdict.outcome == outcome, recipients


@pytest.mark.req("LIC-10.2")
async def test_words_of_a_stranger_endorse_nothing_even_when_offered_as_evidence() -> None:
    shop = Shop(TRUSTED_ONLY)
    stranger = evidence_from_text("third_party:web.fetch", "order A-1 10.00")
    verdict = await shop.ask(shop.refund(label=TAINTED, evidence=(stranger,)))
    assert verdict.outcome == "deny"
    assert verdict.origins == {"order_id": MODEL, "amount": MODEL}


@pytest.mark.req("LIC-10.3")
async def test_the_verdict_says_for_every_argument_where_it_came_from() -> None:
    shop = Shop(TRUSTED_ONLY)
    evidence = (evidence_from_json("tool:orders.lookup", b'{"id": "A-1"}'), *said("a-1, and refund 10"))
    verdict = await shop.ask(shop.refund(evidence=evidence, args={"order_id": "A-1", "amount": 1000, "note": "hm"}))
    assert verdict.origins == {"order_id": "tool:orders.lookup", "amount": "customer:c1", "note": MODEL}


@pytest.mark.req("LIC-10.3")
def test_parts_of_nested_arguments_are_named_by_path_and_all_of_them_must_be_endorsed() -> None:
    args = {"to": ["a@b.c"], "cc": None, "body": {"text": "hello", "urgent": True}, "extra": 1}
    found = endorse(arguments_of(MAIL.input_schema), args, said("a@b.c hello"))
    assert found.origins == {
        "to.0": "customer:c1", "body.text": "customer:c1", "body.urgent": MODEL, "extra": MODEL,
    }  # fmt: skip
    assert found.endorsed == {"to": True, "cc": False, "body": False, "weight": False}


@pytest.mark.req("LIC-10.3")
def test_a_name_with_a_dot_in_it_hides_nothing() -> None:
    for body in ({"a.b": "evil", "a": {"b": "hello"}}, {"a": {"b": "hello"}, "a.b": "evil"}):
        found = endorse(arguments_of(MAIL.input_schema), {"body": body}, said("hello"))
        assert (found.origins["body.a.b"], found.endorsed["body"]) == (MODEL, False)


# -- how values compare ------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-10.4")
@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("80", 8000), ("80.50", 8050), ("80,50", 8050), ("80.5", 8050), ("€80.50", 8050), ("80,50€.", 8050),
        ("EUR80", 8000), ("1.234,56", 123456), ("1,234.56", 123456), ("1,234,567", 123456700), ("1'000", 100000),
        ("(80)", 8000), ("\"80\"", 8000), ("0.01", 1),
    ],
)  # fmt: skip
def test_an_amount_in_minor_units_is_what_people_call_it(text: str, amount: int) -> None:
    assert endorse(arguments_of(REFUND.input_schema), {"amount": amount}, said(f"pay {text} back")).endorsed["amount"]


@pytest.mark.req("LIC-10.4")
@pytest.mark.parametrize(("digits", "is_number"), [("1" * 19, True), ("1" * 20, False), ("07", False)])
def test_a_text_of_up_to_nineteen_digits_is_the_number_it_says(digits: str, is_number: bool) -> None:
    """A record gave the number, the model makes a text of it. What is longer is no number any more."""
    record = (evidence_from_json("tool:orders.lookup", b'{"n": %s}' % digits.lstrip("0").encode()),)
    body = endorse(arguments_of(MAIL.input_schema), {"body": digits}, record).endorsed["body"]
    assert body is is_number


@pytest.mark.req("LIC-10.4")
@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("80", 80), ("8000", 8000), ("80.5", 805), ("1.234", 123400), ("1.234", 123), ("80k", 8000), ("-80", 8000),
        ("80%", 8000), ("A-80", 8000), ("80-90", 8000), ("2024-05-01", 202400), ("8 0", 8000), ("eighty", 8000),
        ("1e3", 100000), ("80.505", 8051), ("NaN", 0), ("", 0),
    ],
)  # fmt: skip
def test_an_amount_nobody_said_or_that_could_mean_two_numbers_stays_the_models(text: str, amount: int) -> None:
    assert not endorse(arguments_of(REFUND.input_schema), {"amount": amount}, said(f"pay {text} back")).endorsed[
        "amount"
    ]


@pytest.mark.req("LIC-10.4")
@pytest.mark.parametrize(
    ("text", "weight", "matches"), [("1.23", 1.23, True), ("1.234", 1.234, False), ("1,234", 1234.0, False)]
)
def test_a_fraction_is_endorsed_unless_it_could_be_a_thousand(text: str, weight: float, *, matches: bool) -> None:
    assert (
        endorse(arguments_of(MAIL.input_schema), {"weight": weight}, said(f"it weighs {text} kg")).endorsed["weight"]
        is matches
    )


@pytest.mark.req("LIC-10.4")
def test_our_own_records_state_amounts_in_the_unit_of_the_arguments() -> None:
    record = (evidence_from_json("tool:orders.lookup", b'{"total": 8000}'),)
    assert endorse(arguments_of(REFUND.input_schema), {"amount": 8000}, record).endorsed["amount"]
    assert not endorse(arguments_of(REFUND.input_schema), {"amount": 800000}, record).endorsed["amount"]
    assert not endorse(arguments_of(REFUND.input_schema), {"amount": 80}, record).endorsed["amount"]


@pytest.mark.req("LIC-10.4")
def test_a_unit_is_found_behind_references_optionals_and_in_lists() -> None:
    money = {"type": "integer", "x-lichen-unit": "minor"}
    spec = msgspec.structs.replace(
        REFUND,
        input_schema={
            "type": "object",
            "properties": {
                "a": {"$ref": "#/$defs/Money"},
                "b": {"anyOf": [{"$ref": "#/$defs/Money"}, {"type": "null"}]},
                "c": {"type": "array", "items": {"type": "object", "properties": {"d": money}}},
                "e": {"type": "integer"},
            },
            "$defs": {"Money": money},
        },
    )
    found = endorse(arguments_of(spec.input_schema), {"a": 8000, "b": 8000, "c": [{"d": 8000}], "e": 80}, said("80"))
    assert found.endorsed == {"a": True, "b": True, "c": True, "e": True}


@pytest.mark.req("LIC-10.4")
@pytest.mark.parametrize(
    ("text", "value", "matches"),
    [
        ("order A-1", "a-1", True),
        ("order  A-1 ", " A-1\n", True),
        ("Café", "Cafe\u0301", True),
        ("STRASSE", "straße", True),
        ("write \"two words\" please", "Two Words", True),
        ("write „zwei Wörter“ bitte", "zwei wörter", True),
        ("see https://example.org/a?b=1.", "https://example.org/a?b=1", True),
        ("#1042", "1042", True),
        ("#1042", "#1042", True),
        ("the whole text", "the whole text", True),
        ("order A-10", "A-1", False),
        ("two words", "two word", False),
        ("write two words please", "two words", False),
        ("x", "", False),
    ],
)  # fmt: skip
def test_texts_are_equal_as_a_whole_or_not_at_all(text: str, value: str, *, matches: bool) -> None:
    assert endorse(arguments_of(REFUND.input_schema), {"order_id": value}, said(text)).endorsed["order_id"] is matches


@pytest.mark.parametrize(
    ("value", "evidence", "matches"),
    [
        (True, (1,), False), (1, (True,), False), (True, (True,), True), (False, (0, "false", True), False),
        (42, ("42",), True), ("42", (42,), True), ("042", (42,), False), (42, ("42.0",), True), (42, ("4２",), False),
        (1.5, ("1.5",), True), (1.234, ("1.234",), True), (1.5, (15,), False),
        (10**30, (10**30,), True), (10**30, (10**30 + 1,), False),
        (10**99, (10**99,), False), ("9" * 9999, ("9" * 9999,), True), ("x", (), False), ("A-1", ("A-1",), True),
        (-5, ("-5",), True), (-5, (5,), False), (-0.5, ("-0.5",), True), (1e300, ("1e300",), False),
        (None, ("None",), False),
    ],
)  # fmt: skip
def test_values_of_different_types_compare_by_what_they_say(
    value: Any, evidence: tuple[Any, ...], *, matches: bool
) -> None:
    args = {"body": {"text": value}}
    assert endorse(arguments_of(MAIL.input_schema), args, (Evidence("tool:t", evidence),)).endorsed["body"] is matches


# -- evidence and its bounds -------------------------------------------------------------------------------------


def test_a_record_says_the_scalars_of_its_accepted_fields() -> None:
    data = (
        b'{"id": "A-1", "lines": [{"sku": "x", "n": 2}], "note": "free text", "paid": true, "rate": 1.5, "none": null}'
    )
    assert evidence_from_json("tool:t", data, ("id", "lines", "missing")).values == ("a-1", "x", 2)
    assert evidence_from_json("tool:t", data).values == ("a-1", "x", 2, "free text", True, Decimal("1.5"))
    assert evidence_from_json("tool:t", data, ()).values == ()
    assert evidence_from_json("tool:t", b"[1, true, 1]").values == (1, True)
    assert evidence_from_json("tool:t", b"[1]", ("id",)).values == ()
    assert evidence_from_json("tool:t", b"no json").values == ()


def test_a_text_says_itself_its_phrases_addresses_words_and_numbers_once_each() -> None:
    evidence = evidence_from_text("s", "Send „two words“ to A@b.org, 1,234 or 80,50!")
    assert evidence.values == (
        "send „two words“ to a@b.org, 1,234 or 80,50!", "two words", "a@b.org", "send", "two", "words", "to",
        "1,234", "or", "80,50", Decimal("80.5"),
    )  # fmt: skip


def test_evidence_is_bounded() -> None:
    assert len(evidence_from_text("s", " ".join(map(str, range(10_000)))).values) == VALUES_MAX
    assert len(evidence_from_json("s", msgspec.json.encode(list(range(10_000)))).values) == VALUES_MAX
    assert "late" not in evidence_from_text("s", "x " * TEXT_CHARS_MAX + "late").values
    deep = b"[" * 100 + b"1" + b"]" * 100
    assert evidence_from_json("s", deep).values == ()


def test_arguments_too_large_or_too_deep_to_compare_stay_the_models() -> None:
    many = endorse(arguments_of(MAIL.input_schema), {"to": ["a"] * (LEAVES_MAX + 1)}, said("a"))
    assert (many.origins, many.endorsed["to"]) == ({"to": MODEL}, False)
    deep: Any = "a"
    for _ in range(100):
        deep = [deep]
    assert not endorse(arguments_of(MAIL.input_schema), {"to": deep}, said("a")).endorsed["to"]


@pytest.mark.req("LIC-10.29")
@pytest.mark.parametrize(
    "echo", ["8050", '"8050"', '"8050.00"', '{"deep": [8050]}', '" X-1 "', '"x-1"', "true", '"True"']
)
def test_a_record_does_not_vouch_for_what_its_tool_was_given_in_whatever_notation(echo: str) -> None:
    given = b'{"amount": 8050, "more": [{"account": "X-1", "sure": true, "none": null}]}'
    data = b'{"echo": %s, "price": 120}' % echo.encode()
    assert evidence_from_json("tool:t", data, given=given).values == (120,)
    assert evidence_from_json("tool:t", data).values != (120,)


@pytest.mark.req("LIC-10.29")
@pytest.mark.parametrize(
    ("args", "matches"),
    [
        ({}, True),
        ({"order": "A-1"}, True),
        ({"order": "A-2"}, False),
        ({"order": "A-1", "full": False}, True),
        ({"order": "A-1", "full": True}, False),
        ({"order": "A-1", "full": 0}, False),
        ({"order": None}, False),
        ({"note": None}, True),
        ({"of": {"order": "a-1"}}, True),
        ({"of": {"order": "a-1", "more": "A-1"}}, False),
        ({"any": {"A-1": "A-1"}}, False),
        ({"all": ["A-1"]}, False),
        ({"all": []}, True),
        ({"undeclared": "A-1"}, True),
    ],
)
def test_arguments_are_vouched_for_as_single_values_and_defaults_alone(args: dict[str, Any], *, matches: bool) -> None:
    order = {"type": "string"}
    declared = arguments_of(
        {
            "properties": {
                "order": order,
                "full": {"type": "boolean", "default": False},
                "note": {"anyOf": [order, {"type": "null"}], "default": None},
                "of": {"type": "object", "properties": {"order": order}},
                "any": {"type": "object"},
                "all": {"type": "array", "items": order, "default": []},
            }
        }
    )
    assert is_vouched(declared, args, said("about A-1")) is matches


@pytest.mark.req("LIC-10.29")
@pytest.mark.parametrize(
    "anew", ["de89370400440532013000", "DE-8937-0400-4405-3201-3000", "89370400440532013000", "key"]
)
def test_what_is_known_to_be_foreign_is_not_vouched_for_in_another_notation(anew: str) -> None:
    known = notations(b'[{"key": "DE89 3704 0044 0532 0130 00", "cents": 8050.0}]')
    data = msgspec.json.encode({"iban": anew, "amount": "80.50", "price": 120})
    assert evidence_from_json("tool:t", data, known=known).values == (120,)


@pytest.mark.req("LIC-10.3")
def test_names_that_a_tool_does_not_declare_are_a_part_of_the_argument() -> None:
    declared = arguments_of({"properties": {"to": {"type": "object"}}})
    for address, is_endorsed in (("evil@example.org", False), ("anna@example.org", True)):
        found = endorse(declared, {"to": {address: "Anna"}}, said("write to Anna, anna@example.org"))
        assert found.endorsed["to"] is is_endorsed


def test_what_was_given_is_known_however_deep_and_long_it_is() -> None:
    deep = b"[" * 200 + b'"x-1"' + b"]" * 200
    long = b"[" + b",".join(b"%d" % n for n in range(2 * VALUES_MAX)) + b',"x-2",1e300]'
    for given, echo in ((deep, "x-1"), (long, "x-2")):
        assert evidence_from_json("tool:t", b'["%s"]' % echo.encode(), given=given).values == ()
