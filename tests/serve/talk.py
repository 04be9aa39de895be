"""What tests of several routes need: a conversation, and a refund that is held."""

from __future__ import annotations

from typing import Any

from lichen.runtime.runtime import Runtime
from tests.serve.asgi import Door

LARGE = "I want a refund of 80 EUR for order 1042."
STATUS = "Where is order 1042?"


async def session(customer: Door) -> str:
    return (await customer.post("sessions", {"key": "chat"})).data["id"]


async def say(customer: Door, id: str, text: str) -> list[str]:
    """Says something and fetches what is told, confirmed."""
    assert (await customer.post(f"sessions/{id}/messages", {"text": text})).status == 200
    return await heard(customer, id)


async def heard(customer: Door, id: str) -> list[str]:
    texts: list[str] = []
    owing = True
    while owing:
        replies = (await customer.get(f"sessions/{id}/messages?wait_s=5")).data
        owing = replies["owing"]
        for message in replies["messages"]:
            texts.append(message["text"])
            await customer.post(f"sessions/{id}/messages/{message['id']}/delivered")
    return texts


async def held(runtime: Runtime, door: Door, text: str = LARGE) -> dict[str, Any]:
    """The approval that opens when customer-7 of acme asks for a large refund."""
    customer = door.of("acme", "customer-7")
    await say(customer, await session(customer), text)
    await runtime.idle()
    return (await door.of("acme", "ops").get("approvals")).data[0]
