"""What is refused when rules are made, and that they are the same however they are written."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

import pytest

from lichen.agents.rules.compiler import Opening, rulebook
from lichen.agents.rules.planner import RulePlanner
from lichen.agents.rules.rulebook import Condition
from lichen.agents.rules.rules import Answer, Call, Intent, Slot, When
from lichen.core.speech.template import Reference
from lichen.core.words.errors import Invalid
from tests.agents.shop import SHOP_TOML, shop_planner

RULES: dict[str, Any] = tomllib.loads(SHOP_TOML)["rules"]


def intent(**given: Any) -> Intent:
    values: dict[str, Any] = {"name": "buy", "phrases": ["buy"], "answer": "ok", **given}
    return Intent(**values)


def refusal(*intents: Intent, **given: Any) -> Invalid:
    values: dict[str, Any] = {"intents": list(intents), "fallback": "?", **given}
    with pytest.raises(Invalid) as caught:
        RulePlanner(**values)
    assert caught.value.code == "rule_invalid"
    return caught.value


@pytest.mark.req("LIC-23.1")
def test_rules_from_a_file_are_the_rules_written_in_python() -> None:
    written = RulePlanner.from_mapping(RULES)
    assert written == shop_planner()
    assert written.digest == shop_planner().digest
    assert hash(written) == hash(shop_planner())


def test_the_digest_changes_with_any_rule_and_with_nothing_else() -> None:
    assert shop_planner().digest == shop_planner().digest
    digests = {shop_planner(**change).digest for change in ({}, {"asks_max": 4}, {"fallback": "x"}, {"on_denied": "x"})}
    assert len(digests) == 4
    assert shop_planner(fallback="x") != shop_planner()


def test_the_tools_that_rules_call_are_known_by_name() -> None:
    assert shop_planner().tools == ("orders.lookup", "payments.refund")


@pytest.mark.req("LIC-23.2")
@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("greeting =", "greting =", "/greting"),
        ("fallback =", "greeting2 =", "/greeting2"),
        ('fallback = "I can tell you where an order is, or refund one."', "", "/fallback"),
        ("phrases =", "phases =", "/intents/0/phases"),
        ('kind = "money"', 'kind = "number"', "/intents/1/slots/1/kind"),
        ("optional = true", 'optional = "yes"', "/intents/1/slots/2/optional"),
        ("when = { value =", "when = { valu =", "/intents/0/answers/0/when/valu"),
        (
            'on_code = { order_unknown = "There is no order {order_id}." }',
            "on_code = { a = 1 }",
            "/intents/0/on_code/*",
        ),
        ("[rules]", '[rules]\nasks_max = "3"', "/asks_max"),
        (r"'\b(\d{4,12})\b', ask", "'(', ask", "/intents/0/slots/0/pattern"),
        ("{result.status}", "{results.status}", "/intents/0/answer"),
    ],
)
def test_a_mapping_with_an_unknown_key_or_a_wrong_value_is_refused_with_its_place(
    old: str, new: str, place: str
) -> None:
    assert old in SHOP_TOML
    with pytest.raises(Invalid) as caught:
        RulePlanner.from_mapping(tomllib.loads(SHOP_TOML.replace(old, new, 1))["rules"])
    assert (caught.value.code, caught.value.place) == ("rule_invalid", place)


ORDER = Slot("order_id", pattern=r"\d+", ask="?")


@pytest.mark.parametrize(
    ("wrong", "place", "says"),
    [
        (intent(name="Buy"), "/intents/0/name", "'Buy'"),
        (intent(phrases=[]), "/intents/0", "recognized"),
        (intent(answer=""), "/intents/0", "answer"),
        (intent(patterns=["("]), "/intents/0/patterns/0", "regular expression"),
        (intent(patterns=["(a+)+"]), "/intents/0/patterns/0", "repeats"),
        (intent(phrases=["..."]), "/intents/0/phrases/0", "words"),
        (intent(phrases=["x"] * 65), "/intents/0", "65 patterns"),
        (intent(examples=["sell"]), "/intents/0/examples/0", "no intent"),
        (intent(slots=[Slot("x")]), "/intents/0/slots/0/ask", "slot 'x'"),
        (intent(slots=[Slot("x", ask="?"), Slot("x", ask="?")]), "/intents/0/slots", "twice"),
        (intent(slots=[Slot("x", ask="?", pattern="(")]), "/intents/0/slots/0/pattern", "slot 'x'"),
        (intent(slots=[Slot("x", kind="choice", ask="?")]), "/intents/0/slots/0/choices", "choice"),
        (intent(slots=[Slot("x", kind="choice", choices=["a"], pattern="a", ask="?")]),
         "/intents/0/slots/0/pattern", "choice"),
        (intent(slots=[Slot("x", choices=["a"], ask="?")]), "/intents/0/slots/0/kind", "kind text"),
        (intent(slots=[Slot("x", currency="EUR", ask="?")]), "/intents/0/slots/0/kind", "kind text"),
        (intent(slots=[Slot("x", kind="money", currency="€", ask="?")]), "/intents/0/slots/0/currency", "ISO"),
        (intent(slots=[Slot("result", ask="?")]), "/intents/0/calls", "reserved"),
        (intent(slots=[Slot("x", ask="{y}?"), Slot("y", ask="?")]), "/intents/0/slots/0/ask", "'y'"),
        (intent(answer="{order_id}"), "/intents/0/answer", "'order_id'"),
        (intent(answer="{reason}"), "/intents/0/answer", "'reason'"),
        (intent(answer="{"), "/intents/0/answer", "template"),
        (intent(on_denied="{nobody}"), "/intents/0/on_denied", "'nobody'"),
        (intent(on_code={"gone": "{nobody}"}), "/intents/0/on_code/gone", "'nobody'"),
        (intent(answers=[Answer("{x}")]), "/intents/0/answers/0/text", "'x'"),
        (intent(answers=[Answer("a", when=When("x", exists=True))]), "/intents/0/answers/0/when", "'x'"),
        (intent(slots=[ORDER], answers=[Answer("a", when=When("order_id"))]), "/intents/0/answers/0/when", "test"),
        (intent(slots=[ORDER], answers=[Answer("a", when=When("order_id|money", exists=True))]),
         "/intents/0/answers/0/when", "condition"),
        (intent(calls=[Call("a.b", {"x": "{b.id}"})]), "/intents/0/calls/0/args/x", "'b'"),
        (intent(calls=[Call("a.b", {"x": [{"y": "{z}"}]})]), "/intents/0/calls/0/args/x/0/y", "'z'"),
        (intent(calls=[Call("a.b", {"x": object()})]), "/intents/0/calls/0/args/x", "JSON"),
        (intent(calls=[Call("a.b"), Call("c.b")]), "/intents/0/calls", "'b'"),
        (intent(calls=[Call("a.b", name="B")]), "/intents/0/calls/0/name", "call 'B'"),
        (intent(slots=[Slot("b", ask="?")], calls=[Call("a.b")]), "/intents/0/calls", "'b'"),
        (intent(calls=[Call("a.b", name=f"c{i}") for i in range(17)]), "/intents/0", "17 calls"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_work_is_refused_naming_intent_and_place(wrong: Intent, place: str, says: str) -> None:
    error = refusal(wrong)
    assert error.place == place
    assert says in str(error)


def test_rules_that_do_not_fit_together_are_refused() -> None:
    assert refusal(intent(), intent()).place == "/intents"
    assert refusal(*(intent(name=f"i{i}") for i in range(257))).place == "/"
    assert "intent 'buy'" in str(refusal(intent(), intent(name="b", phrases=["x"], examples=["buy x"])))
    assert refusal(intent(), fallback="").place == "/fallback"
    assert refusal(intent(), fallback="{reason}").place == "/fallback"
    assert refusal(intent(), greeting="{name}").place == "/greeting"
    assert refusal(intent(), on_failed="{order_id}").place == "/on_failed"
    assert refusal(intent(), asks_max=0).place == "/asks_max"
    assert refusal(intent(), ask_expires_s=0).place == "/ask_expires_s"


def conditions(when: When) -> Sequence[Condition]:
    calls = [Call("tools.x")]
    rule = intent(calls=calls, answers=[Answer("a", when=[when])])
    return rulebook([rule], shop_planner(), Opening("", "?")).by_name["buy"].answers[0].conditions


def test_conditions_compare_values_and_do_not_take_true_for_one() -> None:
    def holds(value: object, **test: Any) -> bool:
        def lookup(reference: Reference) -> object:
            return value

        return all(condition.holds(lookup) for condition in conditions(When("x.v", **test)))

    assert holds("open", equals="open")
    assert not holds("Open", equals="open")
    assert not holds(True, equals=1)
    assert not holds(1, equals=True)
    assert holds(2, one_of=[1, 2])
    assert not holds(3, one_of=[1, 2])
    assert holds(5, at_least=5, at_most=5)
    assert not holds(4, at_least=5)
    assert not holds(6, at_most=5)
    assert not holds("9", at_least=5)
    assert not holds(True, at_least=0)
    assert not holds(None, at_most=5)
    assert holds(None, exists=False)
    assert not holds(None, exists=True)
    assert holds(0, exists=True)
