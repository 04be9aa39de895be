"""What whoever decides is shown, made once for every door."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from pydantic import BaseModel

from lichen import Balance, CallMeta, Currency, Money, tool
from lichen.core.ports.plan import PlannerKind
from lichen.core.ports.policy import Meter
from lichen.runtime.views.asked import Asked, Setting, asked, line


class OrderFacts(BaseModel):
    price: Annotated[Balance, Currency("EUR")]
    owner: str


def order_facts(order_id: str, *, meta: CallMeta) -> OrderFacts:
    return OrderFacts(price=12_000, owner="customer-7")


@tool(name="payments.refund", effects="once", facts=order_facts)
def refund(order_id: str, amount: Annotated[Money, Currency("EUR")], times: int = 1) -> None:
    """Pays money back. This cannot be undone."""


TODAY = Meter("refunded_today", tools=("payments.refund",), amount="amount", window="day")
COUNT = Meter("refunds", tools=("payments.refund",))
NAMES = {"customer_1": "customer-7", "customer_2": "webchat:dl_1"}
CALL: dict[str, Any] = {
    "tool": "payments.refund",
    "arguments": {"order_id": "1042", "amount": 800_000, "times": 2},
    "facts": {"price": 12_000, "owner": "customer-7"},
    "origins": {"order_id": "customer:customer_1", "amount": "model"},
    "policies": ["refund-with-approval"],
    "reason": "More than 50 EUR.",
    "meters": {"refunded_today": 3_000, "refunds": 2},
}


def shown(operator: dict[str, Any], kind: PlannerKind = "llm") -> Asked:
    meters = {"payments.refund": (TODAY, COUNT)}
    setting = Setting(
        "shop.support",
        kind,
        {"payments.refund": refund.spec}.get,
        lambda name: meters.get(name, ()),
        lambda name: NAMES.get(name, name),
    )
    return asked(operator, setting)


@pytest.mark.req("LIC-12.21")
def test_money_is_shown_as_money_in_arguments_facts_and_counts() -> None:
    found = shown(CALL)
    assert {each.name: each.text for each in found.details} == {
        "order_id": "1042",
        "amount": "8,000.00 EUR",
        "times": "2",
    }
    assert {each.name: each.text for each in found.facts} == {"price": "120.00 EUR", "owner": "customer-7"}
    assert {each.name: each.text for each in found.meters} == {"refunded_today": "30.00 EUR", "refunds": "2"}
    assert line(found.details) == "order_id 1042  amount 8,000.00 EUR  times 2"


def test_what_a_tool_does_is_said_in_its_own_words() -> None:
    assert shown(CALL).description == "Pays money back. This cannot be undone."


@pytest.mark.req("LIC-12.22")
@pytest.mark.parametrize(
    ("origin", "kind", "words", "is_vouched"),
    [
        ("customer:customer_1", "llm", "the customer’s own words", True),
        ("customer:customer_2", "llm", "the words of a visitor nobody vouches for", False),
        ("tool:orders.lookup", "llm", "a record of orders.lookup", True),
        ("third_party:web.fetch", "llm", "a stranger’s text", False),
        ("operator:operator_1", "llm", "the words of an operator", False),
        ("model", "llm", "the model: nobody said this", False),
        ("model", "flow", "worked out by the flow", False),
        ("model", "rules", "worked out by the rules", False),
        ("model", "own", "worked out by the agent’s code", False),
    ],
)
def test_where_an_argument_came_from_is_said_in_words(
    origin: str, kind: PlannerKind, words: str, is_vouched: bool
) -> None:
    found = shown({**CALL, "arguments": {"order_id": "1042"}, "origins": {"order_id": origin}}, kind)
    assert (found.details[0].whence, found.details[0].is_vouched) == (words, is_vouched)


def test_of_a_value_in_parts_the_least_trusted_source_is_shown() -> None:
    origins = {"who.name": "customer:customer_1", "who.iban": "model"}
    found = shown({**CALL, "arguments": {"who": {"name": "Ann", "iban": "X"}}, "origins": origins})
    assert found.details[0].origin == "model"
    assert not found.details[0].is_vouched


@pytest.mark.req("LIC-12.23")
def test_an_approval_of_a_flow_shows_everything_the_flow_wants_agreed_to() -> None:
    found = shown({"complaint": "It broke.", "amount": 25, "items": [1, 2]}, "flow")
    assert found.title == "shop.support asks"
    assert {each.name: each.text for each in found.details} == {
        "complaint": "It broke.",
        "amount": "25",
        "items": "[1,2]",
    }
    assert line(found.details) == "complaint It broke.  amount 25  items [1,2]"


def test_what_is_asked_of_an_effect_in_doubt_names_its_key_and_attempt() -> None:
    operator = {
        "tool": "payments.refund",
        "arguments": None,
        "idempotency_key": "run-1/c1",
        "attempt": 2,
        "reason": "x",
    }
    assert {each.name: each.value for each in shown(operator).details} == {"idempotency_key": "run-1/c1", "attempt": 2}


def test_a_currency_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        Currency("euro")


def test_what_is_shown_is_json_for_whoever_reads_by_program() -> None:
    assert msgspec.json.decode(msgspec.json.encode(shown(CALL)))["details"][1]["text"] == "8,000.00 EUR"
