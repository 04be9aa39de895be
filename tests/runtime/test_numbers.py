"""An amount that could be two is asked about in the customer's language, and the one they choose is theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen import Agent, Money, tool
from lichen.agents import Call, Intent, RulePlanner, Slot
from lichen.testing.worlds import as_sync, world

POLICY = """
@id("own-words") permit (principal is Agent, action == Action::"till.pay", resource)
when { context.endorsed.amount };
"""


def payer(paid: list[int]) -> Agent:
    @tool(name="till.pay", effects="once", runs="loop")
    async def pay(amount: Money) -> dict[str, int]:
        """Pays out."""
        paid.append(amount)
        return {"amount": amount}

    refund = Intent(
        "refund",
        phrases=["pay"],
        slots=[Slot("amount", kind="money", currency="EUR", ask="How much?")],
        calls=[Call("till.pay", {"amount": "{amount}"})],
        answer="Paid {amount|money}.",
    )
    return Agent("till.clerk", planner=RulePlanner(intents=[refund], fallback="?"), tools=[pay])


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    (tmp_path / "till.cedar").write_text(POLICY)
    return tmp_path


@pytest.mark.req("LIC-10.34")
@pytest.mark.parametrize(
    ("language", "said", "asked", "chosen", "cents"),
    [
        ("en", "Please pay 1.234 EUR", "Do you mean 1,234.00 EUR or 1.23 EUR?", "1,234.00 EUR", 123_400),
        ("en", "Please pay me 1 234,56 EUR", "Do you mean 1,234.56 EUR or 234.56 EUR?", "234.56", 23_456),
        ("", "Please pay 1,234 EUR", "Do you mean 1,234.00 EUR or 1.23 EUR?", "1.23 EUR", 123),
    ],
)
@as_sync
async def test_an_amount_that_could_be_two_is_asked_about_and_the_chosen_one_is_endorsed(
    policies: Path, language: str, said: str, asked: str, chosen: str, cents: int
) -> None:
    paid: list[int] = []
    async with world([payer(paid)], policies=policies) as w:
        talk = await w.talk("customer-7", language=language)
        assert (await talk.say(said)).text == asked
        assert paid == []
        assert (await talk.say(chosen)).text == f"Paid {cents // 100}.{cents % 100:02}."
    assert paid == [cents]


@pytest.mark.req("LIC-10.34")
@as_sync
async def test_an_amount_that_the_language_settles_is_paid_at_once(policies: Path) -> None:
    paid: list[int] = []
    async with world([payer(paid)], policies=policies) as w:
        talk = await w.talk("customer-7", language="en")
        assert (await talk.say("Please pay 1,234 EUR")).text == "Paid 1234.00."
    assert paid == [123_400]


@pytest.mark.req("LIC-10.34")
@as_sync
async def test_whoever_answers_with_the_same_words_is_asked_again_and_nothing_is_paid(policies: Path) -> None:
    paid: list[int] = []
    async with world([payer(paid)], policies=policies) as w:
        talk = await w.talk("customer-7", language="en")
        asked = (await talk.say("Please pay 1.234 EUR")).text
        assert (await talk.say("1.234")).text == asked
        assert (await talk.say("the first")).text == asked
        assert "did not understand" in (await talk.say("1.234")).text
    assert paid == []
