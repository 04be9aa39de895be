"""What a tool has its requester asked before each call, whatever policy says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen import Agent, Customer, Limits, Money, Runtime, Scope, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.scope import SYSTEM

SCOPE = Scope("acme", "dev")
JO = Customer("jo")
PERMITS = """
@id("all") permit (principal, action, resource) unless { action == Action::"payments.refund" };
"""
ALLOWS = '@id("refund") permit (principal, action == Action::"payments.refund", resource);'
APPROVES = '@id("refund") @approval("operator") permit (principal, action == Action::"payments.refund", resource);'
ASKS = '@id("refund") @confirm("Sure?") permit (principal, action == Action::"payments.refund", resource);'
paid: list[int] = []


@tool(name="payments.refund", effects="once", runs="loop", confirm="Really refund {amount|money} for {order_id}?")
def refund(order_id: str, amount: Money) -> int:
    """Pays money back."""
    paid.append(amount)
    return amount


class Payer:
    """Refunds once, and tells how that went."""

    pure = True
    digest = "payer"

    async def plan(self, input: PlanInput) -> Plan:
        if not input.results:
            return Plan(calls=(CallRequest(refund.spec.name, b'{"order_id":"1042","amount":8000}'),))
        return Plan(answer=f"{input.results[0].outcome} {input.results[0].code}".strip())


async def conversation(home: Path, policy: str, *words: str) -> tuple[list[str], list[str]]:
    """What the customer is told for each of these words, and what is waited for in the end."""
    paid.clear()
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "all.cedar").write_text(PERMITS + policy)
    payer = Agent("shop.payer", planner=Payer(), tools=[refund], limits=Limits(time_s=20))
    async with Runtime.open(home / "data", agents=[payer], policies=home / "policies") as runtime:
        session = await runtime.sessions.open(SCOPE, JO)
        said = [(await (await session.say(word)).result()).text for word in words]
        return said, [wait.kind for wait in runtime.waits.list(SCOPE, SYSTEM)]


@pytest.mark.req("GOA-38.5")
async def test_a_tool_has_its_requester_asked_with_the_arguments_whatever_policy_allows(tmp_path: Path) -> None:
    asked = "Really refund 80.00 for 1042?"
    assert await conversation(tmp_path / "a", ALLOWS, "refund it") == ([asked], [])
    assert paid == []
    assert await conversation(tmp_path / "b", ALLOWS, "refund it", "yes") == ([asked, "ok"], [])
    assert paid == [8000]
    said, _ = await conversation(tmp_path / "c", ALLOWS, "refund it", "no")
    assert said == [asked, "denied confirmation_declined"]
    assert paid == []


@pytest.mark.req("GOA-38.5")
async def test_a_question_of_policy_stands_in_for_the_tools_own_and_an_approval_comes_after_it(tmp_path: Path) -> None:
    assert (await conversation(tmp_path / "a", ASKS, "refund it", "yes"))[0] == ["Sure?", "ok"]
    said, waits = await conversation(tmp_path / "b", APPROVES, "refund it", "yes")
    assert said[0] == "Really refund 80.00 for 1042?"
    assert waits == ["approval"]
    assert paid == []


@pytest.mark.req("GOA-38.5")
async def test_a_question_of_its_own_allows_nothing_that_policy_denies(tmp_path: Path) -> None:
    said, waits = await conversation(tmp_path, "", "refund it")
    assert said == ["denied policy"]
    assert waits == []
