"""A conversation over the API: taken once, told once confirmed, and nobody else's."""

from __future__ import annotations

import asyncio

import pytest

from lichen.runtime.runtime import Runtime
from lichen.serve.http.state import of_app
from tests.serve import talk
from tests.serve.asgi import Door


@pytest.fixture
def customer(door: Door) -> Door:
    return door.of("acme", "customer-7")


@pytest.mark.req("SYM-97.4")
async def test_a_message_is_answered(customer: Door) -> None:
    id = await talk.session(customer)
    assert await talk.say(customer, id, talk.STATUS) == ["Order 1042 (espresso machine) is shipped, arrives tomorrow."]


async def test_a_key_names_the_same_session_every_time(door: Door, customer: Door) -> None:
    first = await customer.post("sessions", {"key": "chat"})
    assert (await customer.post("sessions", {"key": "chat"})).data == first.data
    assert (await customer.post("sessions", {}, key="chat")).data == first.data
    assert (await customer.post("sessions", {"key": "other"})).data != first.data
    assert (await door.of("acme", "customer-8").post("sessions", {"key": "chat"})).data != first.data


@pytest.mark.req("SYM-97.5")
async def test_a_message_sent_twice_under_one_key_is_one_message(runtime: Runtime, customer: Door) -> None:
    id = await talk.session(customer)
    first = await customer.post(f"sessions/{id}/messages", {"text": talk.STATUS}, key="k1")
    second = await customer.post(f"sessions/{id}/messages", {"text": talk.STATUS}, key="k1")
    assert second.data["message"] == first.data["message"]
    assert (first.data["is_repeated"], second.data["is_repeated"]) == (False, True)
    other = await customer.post(f"sessions/{id}/messages", {"text": "Something else."}, key="k1")
    assert (other.status, other.code) == (409, "key_reused")
    await runtime.idle()
    assert len(await talk.heard(customer, id)) == 1


async def test_a_reply_is_told_again_until_it_is_confirmed(runtime: Runtime, customer: Door) -> None:
    id = await talk.session(customer)
    await customer.post(f"sessions/{id}/messages", {"text": talk.STATUS})
    await runtime.idle()
    first = (await customer.get(f"sessions/{id}/messages")).data["messages"]
    assert (await customer.get(f"sessions/{id}/messages")).data["messages"] == first
    for _ in range(2):
        assert (await customer.post(f"sessions/{id}/messages/{first[0]['id']}/delivered")).status == 200
    assert (await customer.get(f"sessions/{id}/messages")).data == {"messages": [], "owing": False}


async def test_an_open_approval_is_not_owed(runtime: Runtime, door: Door, customer: Door) -> None:
    await talk.held(runtime, door)
    id = await talk.session(customer)
    assert (await customer.get(f"sessions/{id}/messages")).data == {"messages": [], "owing": False}


async def test_an_open_question_is_not_owed_and_the_next_message_answers_it(customer: Door) -> None:
    id = await talk.session(customer)
    assert await talk.say(customer, id, "I want a refund of 20 EUR") == ["Which order is it about?"]
    taken = await customer.post(f"sessions/{id}/messages", {"text": "1042"})
    assert taken.data["disposition"] == "answered"
    assert await talk.heard(customer, id) == ["Done: 20.00 EUR for order 1042 are on their way back to you."]


async def test_a_poll_ends_as_soon_as_there_is_a_message(customer: Door) -> None:
    id = await talk.session(customer)
    poll = asyncio.ensure_future(customer.get(f"sessions/{id}/messages?wait_s=50"))
    await asyncio.sleep(0)
    await customer.post(f"sessions/{id}/messages", {"text": talk.STATUS})
    async with asyncio.timeout(10):
        assert (await poll).status == 200


async def test_a_poll_is_sent_home_when_the_server_closes(door: Door, customer: Door) -> None:
    id = await talk.session(customer)
    poll = asyncio.ensure_future(customer.get(f"sessions/{id}/messages?wait_s=50"))
    await asyncio.sleep(0)
    of_app(door.app).closing.set()  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        assert (await poll).data == {"messages": [], "owing": False}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "messages"), ("POST", "messages"), ("POST", "messages/o1/delivered"), ("POST", "close")],
)
@pytest.mark.parametrize(("tenant", "name"), [("acme", "customer-8"), ("globex", "customer-7"), ("globex", "ops")])
@pytest.mark.req("SYM-97.6")
async def test_another_persons_session_does_not_exist(
    door: Door, customer: Door, tenant: str, name: str, method: str, path: str
) -> None:
    id = await talk.session(customer)
    body = b'{"text": "hello"}' if method == "POST" and path == "messages" else b""
    answer = await door.of(tenant, name).send(method, f"sessions/{id}/{path}", body)
    assert (answer.status, answer.code) == (404, "session_unknown")


async def test_a_closed_session_takes_nothing_more(customer: Door) -> None:
    id = await talk.session(customer)
    assert (await customer.post(f"sessions/{id}/close")).status == 200
    answer = await customer.post(f"sessions/{id}/messages", {"text": "hello"})
    assert (answer.status, answer.code) == (409, "session_closed")


@pytest.mark.parametrize(("text", "code"), [("", "message_empty"), ("x" * 20_000, "message_too_large")])
async def test_a_message_that_is_empty_or_too_long_is_refused(customer: Door, text: str, code: str) -> None:
    id = await talk.session(customer)
    answer = await customer.post(f"sessions/{id}/messages", {"text": text})
    assert (answer.status, answer.code) == (400, code)
