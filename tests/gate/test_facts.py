"""Without facts there is no decision."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from lichen.gate.rules.policies import policy_set
from tests.gate.shop import LOOKUP, MAY_REFUND, REFUND, SCOPE, Shop


async def failing() -> Mapping[str, Any]:
    raise RuntimeError("password=hunter2")


async def hanging() -> Mapping[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def incomplete() -> Mapping[str, Any]:
    return {"price": 5000}


async def mistyped() -> Mapping[str, Any]:
    return {"price": 5000, "refunded": "hunter2"}


async def nothing() -> Any:
    return None


@pytest.mark.req("LIC-11.7")
@pytest.mark.req("LIC-28.3")
@pytest.mark.parametrize("facts", [failing, hanging, incomplete, mistyped, nothing])
async def test_facts_that_fail_hang_or_are_not_what_was_declared_deny(facts: Any) -> None:
    verdict = await Shop(MAY_REFUND).ask(Shop().refund(facts=facts))
    assert (verdict.outcome, verdict.public_reason) == ("deny", "This is not allowed.")
    assert verdict.operator_reason.startswith("facts_unavailable: ")
    assert "hunter2" not in verdict.operator_reason
    assert verdict.failure is not None


@pytest.mark.req("LIC-11.7")
async def test_a_tool_with_facts_is_not_decided_when_nobody_reads_them() -> None:
    shop = Shop(MAY_REFUND)
    verdict = await shop.ask(msgspec.structs.replace(shop.refund(), facts=None))
    assert verdict.operator_reason.startswith("facts_unavailable: ")


@pytest.mark.req("LIC-11.7")
async def test_facts_that_may_all_be_missing_are_still_asked_for() -> None:
    relaxed = msgspec.structs.replace(
        REFUND, facts_schema={"type": "object", "properties": {"vip": {"type": "string"}}}
    )
    shop = Shop(MAY_REFUND)
    shop.gate.replace(SCOPE, policy_set({"a.cedar": MAY_REFUND}, [relaxed]))
    check = msgspec.structs.replace(shop.refund(), tool=relaxed)
    assert (await shop.ask(check)).outcome == "allow"
    assert (await shop.ask(msgspec.structs.replace(check, facts=None))).outcome == "deny"


async def test_a_tool_without_facts_is_decided_without_asking() -> None:
    shop = Shop('permit(principal, action == Action::"orders.lookup", resource);')
    check = msgspec.structs.replace(shop.call(LOOKUP, {"order_id": "A-1"}), facts=failing)
    verdict = await shop.ask(check)
    assert (verdict.outcome, verdict.facts) == ("allow", {})


@pytest.mark.req("LIC-11.7")
async def test_policy_compares_with_facts_and_never_with_what_the_model_claims() -> None:
    shop = Shop(MAY_REFUND.rstrip(";") + " when { context.args.amount <= context.facts.price };")
    allowed, denied = await shop.ask(shop.refund(amount=5000)), await shop.ask(shop.refund("c2", amount=5001))
    assert (allowed.outcome, denied.outcome) == ("allow", "deny")
    assert allowed.facts == {"price": 5000, "refunded": 0}


async def test_a_check_that_is_cancelled_while_facts_are_read_is_cancelled() -> None:
    shop = Shop(MAY_REFUND)
    asked = asyncio.ensure_future(shop.ask(shop.refund(facts=hanging)))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
