"""The support agent of a shop, as Python and as a file: order status, refund, small talk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lichen.agents.rules.planner import RulePlanner
from lichen.agents.rules.rules import Answer, Call, Intent, Slot, When
from lichen.core.ports.call import ToolSpec
from lichen.core.words.ids import ToolName
from tests.agents.talk import Act, Tools

FALLBACK = "I can tell you where an order is, or refund one."
ORDER = Slot("order_id", pattern=r"\b(\d{4,12})\b", ask="Which order is it about?", remember=True)

STATUS = Intent(
    "order_status",
    phrases=["where is ... order", "order status"],
    examples=["Where is my order?"],
    slots=[ORDER],
    calls=[Call("orders.lookup", {"order_id": "{order_id}"})],
    answers=[Answer("Order {order_id} was cancelled.", when=When("lookup.status", equals="cancelled"))],
    answer="Order {order_id} is {result.status}.",
    on_code={"order_unknown": "There is no order {order_id}."},
)
REFUND = Intent(
    "refund",
    phrases=["refund", "money back"],
    priority=5,
    slots=[
        ORDER,
        Slot(
            "amount", kind="money", currency="EUR", ask="How much, for order {order_id}?", ask_again="In EUR, please?"
        ),
        Slot("reason_given", kind="choice", choices=["broken", "late"], optional=True),
    ],
    calls=[
        Call("orders.lookup", {"order_id": "{order_id}"}),
        Call(
            "payments.refund",
            {"order_id": "{lookup.id}", "amount": "{amount}", "why": "{reason_given}"},
            when=When("lookup.status", one_of=["delivered", "shipped"]),
            on_denied="I may not refund that: {reason}",
        ),
    ],
    answers=[
        Answer("Order {order_id} is {lookup.status}; that cannot be refunded.", when=When("refund", exists=False))
    ],
    answer="{amount|money} EUR for order {order_id} are on their way ({refund.receipt}).",
    on_failed="The refund did not work: {reason}",
)
THANKS = Intent("thanks", phrases=["thanks", "thank you"], answer="You are welcome.")


def shop_planner(**changes: Any) -> RulePlanner:
    """The shop's rules."""
    given: dict[str, Any] = {"intents": [STATUS, REFUND, THANKS], "fallback": FALLBACK, "greeting": "Hello!"}
    return RulePlanner(**{**given, **changes})


SHOP_TOML = r"""
name = "shop.support"
description = "Answers questions about orders and refunds them."
tools = ["orders.lookup", "payments.refund"]

[limits]
calls = 8
time_s = 120

[rules]
greeting = "Hello!"
fallback = "I can tell you where an order is, or refund one."

[[rules.intents]]
name = "order_status"
phrases = ["where is ... order", "order status"]
examples = ["Where is my order?"]
slots = [{ name = "order_id", pattern = '\b(\d{4,12})\b', ask = "Which order is it about?", remember = true }]
calls = [{ tool = "orders.lookup", args = { order_id = "{order_id}" } }]
answers = [{ text = "Order {order_id} was cancelled.", when = { value = "lookup.status", equals = "cancelled" } }]
answer = "Order {order_id} is {result.status}."
on_code = { order_unknown = "There is no order {order_id}." }

[[rules.intents]]
name = "refund"
phrases = ["refund", "money back"]
priority = 5
answer = "{amount|money} EUR for order {order_id} are on their way ({refund.receipt})."
on_failed = "The refund did not work: {reason}"

[[rules.intents.slots]]
name = "order_id"
pattern = '\b(\d{4,12})\b'
ask = "Which order is it about?"
remember = true

[[rules.intents.slots]]
name = "amount"
kind = "money"
currency = "EUR"
ask = "How much, for order {order_id}?"
ask_again = "In EUR, please?"

[[rules.intents.slots]]
name = "reason_given"
kind = "choice"
choices = ["broken", "late"]
optional = true

[[rules.intents.calls]]
tool = "orders.lookup"
args = { order_id = "{order_id}" }

[[rules.intents.calls]]
tool = "payments.refund"
args = { order_id = "{lookup.id}", amount = "{amount}", why = "{reason_given}" }
when = { value = "lookup.status", one_of = ["delivered", "shipped"] }
on_denied = "I may not refund that: {reason}"

[[rules.intents.answers]]
text = "Order {order_id} is {lookup.status}; that cannot be refunded."
when = { value = "refund", exists = false }

[[rules.intents]]
name = "thanks"
phrases = ["thanks", "thank you"]
answer = "You are welcome."
"""


def shop_tools(status: str = "delivered", **others: Act) -> Tools:
    """The shop's tools: every order exists and has this status. `others` stand in for some, by their last name."""

    def lookup(args: Mapping[str, Any]) -> object:
        return {"id": args["order_id"], "status": status, "items": ["cup", "pot"]}

    def refund(args: Mapping[str, Any]) -> object:
        return {"receipt": f"r-{args['order_id']}"}

    return {"orders.lookup": others.get("lookup", lookup), "payments.refund": others.get("refund", refund)}


def spec(name: str, **changes: Any) -> ToolSpec:
    """A contract with nothing special about it."""
    given: dict[str, Any] = {
        "description": "",
        "effects": "none",
        "input_schema": {},
        "output_schema": {},
        "digest": name,
    }
    return ToolSpec(name=ToolName(name), **{**given, **changes})
