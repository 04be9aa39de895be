"""Hand-overs over the API: who wants a person, who has which, what they write; and the count that follows them."""

from __future__ import annotations

import asyncio

import pytest

from lichen.core.words.scope import Customer, Operator
from lichen.runtime import Session
from lichen.runtime.operations.waits import Waiting
from lichen.runtime.runtime import Runtime
from tests.serve.asgi import Door
from tests.serve.console import ACME

WISH = "I want to speak to a <human>"
OPS = Operator("ops", ("operator",))


async def asked(runtime: Runtime) -> Session:
    session = await runtime.sessions.open(ACME, Customer("customer-7"), agent="shop.welcome", channel="webchat")
    await (await session.say(WISH)).result()
    await told(runtime, session)
    return session


async def told(runtime: Runtime, session: Session) -> list[str]:
    await runtime.idle()
    messages = await session.pending()
    for message in messages:
        await session.delivered(message.id)
    return [message.text for message in messages]


@pytest.mark.req("LIC-30.18", "LIC-30.21")
async def test_a_hand_over_is_seen_taken_answered_and_given_back_over_the_api(runtime: Runtime, door: Door) -> None:
    session = await asked(runtime)
    ops = door.of("acme", "ops")
    (found,) = (await ops.get("handovers")).data
    assert (found["said"], found["has"], found["unread"], found["may_answer"]) == (WISH, "", [], True)
    await session.say("Hello?")
    assert (await ops.get(f"handovers/{found['id']}")).data["unread"] == ["m2"]
    assert (await ops.post(f"handovers/{found['id']}/take", {"read": found["read"]})).status == 200
    shown = (await ops.get(f"handovers/{found['id']}")).data
    assert (shown["has"], shown["unread"]) == ("ops", ["m2"])
    for _ in range(2):
        assert (await ops.post(f"handovers/{found['id']}/reply", {"text": "Ada here."}, key="k1")).status == 200
    assert (await ops.post(f"handovers/{found['id']}/reply", {"text": ""})).code == "message_empty"
    assert (await ops.post(f"handovers/{found['id']}/end", {"then": "gone"})).code == "body_invalid"
    assert (await ops.post(f"handovers/{found['id']}/end", {"text": "Bye."})).status == 200
    assert (await ops.get(f"handovers/{found['id']}")).code == "wait_closed"
    assert (await told(runtime, session))[-3:] == ["Ada here.", "Bye.", "You are talking to the assistant again."]
    customer = door.of("acme", "customer-7")
    assert (await customer.get("handovers")).status == 403
    assert (await customer.post(f"handovers/{found['id']}/reply", {"text": "I am Ada."})).status in (403, 404)


@pytest.mark.req("LIC-30.27")
async def test_those_who_may_answer_learn_at_once_that_somebody_waits(runtime: Runtime) -> None:
    news = runtime.waits.news(ACME, OPS)
    assert await anext(news) == Waiting(0, 0, 0)
    next_one = asyncio.ensure_future(anext(news))
    session = await asked(runtime)
    assert await next_one == Waiting(1, 1, 0)
    next_one = asyncio.ensure_future(anext(news))
    await session.say("Hello?")
    assert await next_one == Waiting(1, 1, 1)
    next_one = asyncio.ensure_future(anext(news))
    (found,) = runtime.handovers.list(ACME, OPS)
    await runtime.handovers.give_back(ACME, found.id, OPS, then="closed")
    assert (await next_one).unread == 0
    await news.aclose()


async def test_customers_are_not_told_how_much_waits_for_people(door: Door) -> None:
    assert (await door.of("acme", "customer-7").get("waits/events")).code == "role_missing"
