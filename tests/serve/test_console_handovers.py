"""Customers who want a person, as operators see and answer them."""

from __future__ import annotations

import re

import httpx
import pytest

from lichen.core.words.scope import Customer, Operator
from lichen.runtime import Session
from lichen.runtime.runtime import Runtime
from tests.serve.asgi import Door
from tests.serve.console import ACME, signed_in

WISH = "I want to speak to a <human>"


async def asked(runtime: Runtime) -> Session:
    """A conversation of the web chat in which a person was asked for."""
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


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None, name
    return found[1]


async def the_one(client: httpx.AsyncClient) -> str:
    """The address of the page of the one open hand-over."""
    (found,) = (await client.get("/console/handovers.json")).json()["handovers"]
    return f"/console/handovers/{found['id']}"


async def reply(client: httpx.AsyncClient, address: str, **form: str) -> httpx.Response:
    page = (await client.get(address)).text
    hidden = {name: field(page, name) for name in ("csrf_token", "read", "key")}
    return await client.post(f"{address}/reply", data={**hidden, **form})


@pytest.mark.req("LIC-30.18", "LIC-30.21")
async def test_who_wants_a_person_is_on_a_page_of_their_own_and_is_answered_there(runtime: Runtime) -> None:
    session = await asked(runtime)
    async with signed_in(runtime) as client:
        inbox = (await client.get("/console/handovers")).text
        assert "I want to speak to a &lt;human&gt;" in inbox
        assert '<span class="count">1<span class="sr"> open</span></span>' in inbox
        address = await the_one(client)
        assert address in (await client.get(f"/console/sessions/{session.id}")).text
        taken = await client.post(f"{address}/take", data={"csrf_token": field(inbox, "csrf_token")})
        assert (taken.status_code, taken.headers["location"]) == (303, f"{address}#reply")
        await session.say("Are <you> there?")
        page = (await client.get(address)).text
        assert "you have it" in page
        assert "1 unread" in page
        assert "Are &lt;you&gt; there?" in page
        answer = await reply(client, address, text="Ada here. <b>What</b> is it?", then="stay")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{address}#reply")
        assert (await told(runtime, session))[-1] == "Ada here. <b>What</b> is it?"
        assert "1 unread" not in (await client.get(address)).text
        back = await reply(client, address, text="Solved.", then="returned")
        assert (back.status_code, back.headers["location"]) == (303, f"/console/sessions/{session.id}")
        assert await told(runtime, session) == ["Solved.", "You are talking to the assistant again."]
        assert "speak to a" not in (await client.get("/console/handovers")).text
        assert "Open the hand-over" not in (await client.get(f"/console/sessions/{session.id}")).text


@pytest.mark.req("LIC-30.18")
async def test_a_hand_over_is_closed_without_a_word_but_nothing_empty_is_sent(runtime: Runtime) -> None:
    session = await asked(runtime)
    async with signed_in(runtime) as client:
        address = await the_one(client)
        empty = await reply(client, address, text="  ", then="stay")
        assert (empty.status_code, "nothing to send" in empty.text) == (400, True)
        assert (await reply(client, address, then="closed")).status_code == 303
    assert await told(runtime, session) == ["A colleague has looked at this and closed it. Is there anything else?"]


@pytest.mark.req("LIC-30.22")
async def test_a_form_that_is_sent_twice_says_it_once_and_what_somebody_else_has_is_not_answered(
    runtime: Runtime,
) -> None:
    session = await asked(runtime)
    async with signed_in(runtime) as client:
        address = await the_one(client)
        page = (await client.get(address)).text
        form = {name: field(page, name) for name in ("csrf_token", "read", "key")} | {
            "text": "Ada here.",
            "then": "stay",
        }
        for _ in range(2):
            assert (await client.post(f"{address}/reply", data=form)).status_code == 303
        assert await told(runtime, session) == ["Ada here."]
        (found,) = runtime.handovers.list(ACME, Operator("bo", ("operator",)))
        await runtime.handovers.take(ACME, found.id, Operator("bo", ("operator",)))
        refused = await reply(client, address, text="Still me.", then="stay")
        assert (refused.status_code, "Somebody else has this conversation" in refused.text) == (409, True)
        assert "Take it over from bo" in (await client.get(address)).text


@pytest.mark.req("LIC-30.18")
async def test_who_wants_a_person_is_listed_and_answered_over_the_api(runtime: Runtime, door: Door) -> None:
    session = await asked(runtime)
    ops = door.of("acme", "ops")
    (wait,) = (await ops.get("approvals")).data
    assert wait["operator"] == {"handover": WISH}
    customer = door.of("acme", "customer-7")
    assert (await customer.post(f"waits/{wait['id']}/answer", {"result": {"text": "I am Ada."}})).status == 403
    answer = await ops.post(f"waits/{wait['id']}/answer", {"result": {"text": "On its way."}, "digest": wait["digest"]})
    assert answer.status == 200
    assert await told(runtime, session) == ["On its way."]
    assert (await ops.get("approvals")).data == []
