"""From the HTTP request to the delivered reply: a message that was acknowledged is answered exactly once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lichen.core import events as e
from lichen.core.scope import Scope
from lichen.runtime.runtime import Runtime
from lichen.serve.webchat.points import POINTS, SENT
from tests.crash.gateway import settings_of
from tests.crash.visitor import MESSAGES, Gateway, Transport, Visitor
from tests.crash.world import outside

RECORDS = (
    e.MailboxOpened, e.MessageReceived, e.TurnOpened, e.MessageQueued, e.TurnClosed, e.DeliveryAttempted,
    e.DeliverySettled,
)  # fmt: skip


def points() -> list[tuple[str, Transport]]:
    """Every point of the doors, and before and after the commit of every record a message causes in its session."""
    doors: list[tuple[str, Transport]] = [(point, "stream") for point in POINTS]
    doors.extend((point, "polling") for point in POINTS if point != SENT)  # frames are sent on a stream
    for record in RECORDS:
        doors.append((f"commit.before/{record.type}", "polling"))
        doors.append((f"commit.after/{record.type}", "stream"))
    return doors


@pytest.mark.req("LIC-16.10")
@pytest.mark.parametrize(("point", "transport"), points())
async def test_an_acknowledged_message_is_answered_exactly_once_wherever_the_process_dies(
    point: str, transport: Transport, tmp_path: Path
) -> None:
    nth = 1 if point.endswith(e.MailboxOpened.type) else 2  # a conversation is opened once
    async with asyncio.timeout(90), Gateway(tmp_path, point, nth) as gateway:
        visitor = Visitor(gateway, transport)
        await visitor.converse()
        shown = await visitor.everything()
    assert gateway.deaths == 1, f"{point} was never passed"
    _judge(shown, visitor)
    with outside(tmp_path) as world:
        assert world.execute("select count(*) from effects where tool = 'shop.pay'").fetchone() == (1,)
    async with Runtime.of(settings_of(tmp_path)) as runtime:
        assert (await runtime.verify(Scope("acme", "dev"))).ok


def _judge(shown: list[dict[str, Any]], visitor: Visitor) -> None:
    messages = [activity for activity in shown if activity["type"] == "message"]
    texts = {role: [m["text"] for m in messages if m["from"]["role"] == role] for role in ("user", "bot")}
    assert texts["user"] == list(MESSAGES)
    assert texts["bot"] == list(MESSAGES.values())
    ids = {m["text"]: m["id"] for m in messages if m["from"]["role"] == "user"}
    assert visitor.acknowledged == ids
    assert set(visitor.shown) <= {m["id"] for m in messages}
