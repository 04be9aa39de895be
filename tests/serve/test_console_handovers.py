"""Customers who want a person, as operators see and answer them."""

from __future__ import annotations

import re

import httpx
import pytest

from lichen.core.words.scope import Customer
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


async def reply(client: httpx.AsyncClient, session: Session, **form: str) -> httpx.Response:
    address = f"/console/sessions/{session.id}"
    page = (await client.get(address)).text
    hidden = {name: field(page, name) for name in ("csrf_token", "wait", "digest")}
    return await client.post(f"{address}/reply", data={**hidden, **form})


@pytest.mark.req("LIC-30.18")
async def test_who_wants_a_person_is_on_the_approvals_page_and_is_answered_in_the_conversation(
    runtime: Runtime,
) -> None:
    session = await asked(runtime)
    async with signed_in(runtime) as client:
        inbox = (await client.get("/console/approvals")).text
        assert "I want to speak to a &lt;human&gt;" in inbox
        assert f"/console/sessions/{session.id}#reply" in inbox
        assert '<span class="count">1<span class="sr"> open</span></span>' in inbox
        answer = await reply(client, session, text="Ada here. <b>What</b> is it?", then="stay")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/console/sessions/{session.id}#reply")
        assert await told(runtime, session) == ["Ada here. <b>What</b> is it?"]
        assert (await reply(client, session, text="Solved.", then="go")).status_code == 303
        assert await told(runtime, session) == ["Solved."]
        assert "wants a person" not in (await client.get(f"/console/sessions/{session.id}")).text
        assert "speak to a" not in (await client.get("/console/approvals")).text


@pytest.mark.req("LIC-30.18")
async def test_a_hand_over_is_closed_without_a_word_but_nothing_empty_is_sent(runtime: Runtime) -> None:
    session = await asked(runtime)
    async with signed_in(runtime) as client:
        empty = await reply(client, session, text="  ", then="stay")
        assert (empty.status_code, "nothing to send" in empty.text) == (400, True)
        assert (await reply(client, session, then="close")).status_code == 303
    assert await told(runtime, session) == ["A colleague has looked at this and closed it. Is there anything else?"]


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
