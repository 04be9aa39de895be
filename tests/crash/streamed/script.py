"""What the two models of the conversation say, by what they are sent: asked again, they say the same.

The clerk (Responses API) looks, then writes down and asks the cashier at once, then answers. The cashier (Chat
Completions API) pays, and says what it did first in words, then in the shape that is wanted.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal, NamedTuple

Step = Literal["look", "hand over", "pay", "in words", "in shape", "answer"]

STEPS: Final[tuple[Step, ...]] = ("look", "hand over", "pay", "in words", "in shape", "answer")
CUT: Final[Step] = "hand over"
"""The step whose first stream breaks off in the middle."""
WISH: Final = "Please pay back order 7."
ANSWER: Final = "It is paid back: receipt r-7."
RECEIPT: Final = "r-7"


class Called(NamedTuple):
    """A call as the model writes it."""

    tool: str
    args: dict[str, Any]


class Said(NamedTuple):
    """What a model says at a step: words, then calls."""

    step: Step
    text: str = ""
    calls: tuple[Called, ...] = ()


def clerk(asked: dict[str, Any]) -> Said:
    """What the clerk says to a request of the Responses API."""
    done = [item for item in asked["input"] if item.get("type") == "function_call_output"]
    match len(done):
        case 0:
            return Said("look", "Let me look.", (Called("shop__look", {"order": "7"}),))
        case 1:
            note, pay = Called("shop__note", {"order": "7"}), Called("shop__cashier", {"message": "Pay back order 7."})
            return Said("hand over", "One moment, please.", (note, pay))
        case _:
            assert RECEIPT in json.dumps(done), "the clerk is told what the cashier said"
            return Said("answer", ANSWER)


def cashier(asked: dict[str, Any]) -> Said:
    """What the cashier says to a request of the Chat Completions API."""
    messages = asked["messages"]
    if not any(message["role"] == "tool" for message in messages):
        return Said("pay", "", (Called("shop__pay", {"order": "7"}),))
    if "does not fit" in json.dumps(messages[-1]["content"]):
        return Said("in shape", json.dumps({"receipt": RECEIPT}))
    return Said("in words", f"I paid it, and the receipt is {RECEIPT}.")
