"""Deaths between an HTTP request and the delivered reply: the points, and what became of one death."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

from lichen.core.deciders import events as e
from lichen.core.words.scope import SYSTEM, Scope
from lichen.runtime.runtime import Runtime
from lichen.serve.webchat.points import POINTS, SENT
from tests.crash.gateway import project_of
from tests.crash.visitor import MESSAGES, Gateway, Transport, Visitor
from tests.crash.world import outside

RECORDS = (
    e.MailboxOpened, e.MessageReceived, e.TurnOpened, e.MessageQueued, e.TurnClosed, e.DeliverySettled,
)  # fmt: skip
"""What a message causes in its session. No attempt is noted before a page leaves that its reader fetches again by its
watermark: nothing was done to the world, and what is not confirmed is shown again."""
CONVERSATION_S = 90


class Passage(NamedTuple):
    """A conversation in which the gateway died, or should have."""

    point: str
    transport: Transport
    was_hit: bool
    trouble: str


def points() -> list[tuple[str, Transport]]:
    """Every point of the doors, and before and after the commit of every record a message causes in its session."""
    found: list[tuple[str, Transport]] = [(point, "stream") for point in POINTS]
    found.extend((point, "polling") for point in POINTS if point != SENT)  # frames are sent on a stream
    found.extend((f"commit.before/{record.type}", "polling") for record in RECORDS)
    found.extend((f"commit.after/{record.type}", "stream") for record in RECORDS)
    return found


def passed_once(point: str) -> bool:
    """Whether a conversation passes this point only once: it is opened once."""
    return point.endswith(e.MailboxOpened.type)


async def passage(home: Path, point: str, transport: Transport, nth: int) -> Passage:
    """A whole conversation with a gateway that dies at the nth passing of the point, and is started again."""
    async with asyncio.timeout(CONVERSATION_S), Gateway(home, point, nth) as gateway:
        visitor = Visitor(gateway, transport)
        await visitor.converse()
        shown = await visitor.everything()
    trouble = [*_wrongly_shown(shown, visitor)]
    with outside(home) as world:
        payments = world.execute("select count(*) from effects where tool = 'shop.pay'").fetchone()[0]
    if payments != 1:
        trouble.append(f"paid {payments} times")
    async with Runtime.of(project_of(home)) as runtime:
        report = await runtime.proofs.verify(Scope("acme", "dev"), SYSTEM)
    if not report.ok:
        trouble.append(f"the log does not verify: {report}")
    return Passage(point, transport, gateway.deaths == 1, "; ".join(trouble))


def _wrongly_shown(shown: list[dict[str, Any]], visitor: Visitor) -> list[str]:
    """What is not as it was acknowledged, answered and shown before."""
    trouble: list[str] = []
    for role, wanted in (("user", list(MESSAGES)), ("bot", list(MESSAGES.values()))):
        texts = [activity["text"] for activity in shown if activity["from"]["role"] == role]
        if texts != wanted:
            trouble.append(f"of {role}: {texts}")
    ids = {activity["text"]: activity["id"] for activity in shown if activity["from"]["role"] == "user"}
    if visitor.acknowledged != ids:
        trouble.append(f"acknowledged {visitor.acknowledged}, shown {ids}")
    if lost := set(visitor.shown) - {activity["id"] for activity in shown}:
        trouble.append(f"shown once and never again: {lost}")
    return trouble
