"""Answers to waits over the API: what does not fit is refused with its place, and what does goes on."""

from __future__ import annotations

import pytest

from lichen.runtime.runtime import Runtime
from tests.serve import talk
from tests.serve.asgi import Door


@pytest.mark.req("GOA-41.5")
async def test_an_answer_that_is_not_what_was_asked_for_is_refused_and_the_next_one_counts(
    runtime: Runtime, door: Door
) -> None:
    customer, ops = door.of("acme", "customer-7"), door.of("acme", "ops")
    id = await talk.session(customer)
    assert await talk.say(customer, id, "Where is my order?") == ["Which order is it about?"]
    (wait,) = (await ops.get("waits")).data
    assert wait["answer_schema"] == {"type": "string"}
    answer = f"waits/{wait['id']}/answer"
    refused = await customer.post(answer, {"result": {"order": "1042"}})
    assert (refused.status, refused.code) == (400, "answer_unexpected")
    assert refused.data["error"]["place"] == "/result"
    assert (await customer.post(answer, {"result": {"text": 1042}})).data["error"]["place"] == "/result/text"
    assert [each["id"] for each in (await ops.get("waits")).data] == [wait["id"]]
    assert (await customer.post(answer, {"result": {"text": "1042"}})).status == 200
    await runtime.idle()
    assert await talk.heard(customer, id) == ["Order 1042 (espresso machine) is shipped, arrives tomorrow."]
    assert (await customer.post(answer, {"result": {"text": "1042"}})).code == "wait_closed"
