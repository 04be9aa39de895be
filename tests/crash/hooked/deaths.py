"""Deaths between a webhook and the reply that is pushed back: the points, and what became of one death."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from lichen.core.deciders import events as e
from lichen.core.words.scope import SYSTEM, Scope
from lichen.runtime.channels.points import POINTS
from lichen.runtime.runtime import Runtime
from tests.crash.hooked.gateway import project_of
from tests.crash.hooked.platform import Exchange, converse
from tests.crash.mortal import Death
from tests.crash.rounds import Passing, Playing, all_of, summed_up
from tests.crash.visitor import MESSAGES, Gateway
from tests.crash.world import outside

SCOPE = Scope("acme", "dev")
RECORDS = (
    e.MailboxOpened, e.MessageReceived, e.TurnOpened, e.MessageQueued, e.DeliveryAttempted, e.DeliverySettled,
    e.TurnClosed,
)  # fmt: skip
"""What a message causes in its session, and the way of its reply out."""
CONVERSATION_S = 90
SMALL = (*POINTS, "deliver.after", f"commit.after/{e.MessageReceived.type}")


def points() -> list[str]:
    """Every point of the door and of the way out, and before and after the commit of every record between."""
    commits = [f"commit.{when}/{record.type}" for record in RECORDS for when in ("before", "after")]
    return [*POINTS, *commits, "deliver.before", "deliver.after"]


def nth_of(point: str) -> int:
    """The passing at which the point is tried first: the second message's, but for what happens once."""
    return 1 if point.endswith(e.MailboxOpened.type) else 2


async def death(home: Path, passing: Passing) -> Death:
    """A whole conversation with a gateway that dies at the passing, and is started again."""
    data = home / "data"
    command = "tests.crash.hooked.gateway"
    with Exchange().listening() as exchange:
        async with asyncio.timeout(CONVERSATION_S):
            async with Gateway(home, passing.point, passing.nth, command=(command, str(home), exchange.url)) as gateway:
                await converse(gateway, exchange)
        trouble = _shown(exchange)
        async with Runtime.of(project_of(home, exchange.url)) as runtime:
            trouble += _taken(runtime)
            report = await runtime.proofs.verify(SCOPE, SYSTEM)
    with outside(data) as world:
        payments = world.execute("select count(*) from effects where tool = 'shop.pay'").fetchone()[0]
    if payments != 1:
        trouble.append(f"paid {payments} times")
    if not report.ok:
        trouble.append(f"the log does not verify: {report}")
    return Death((passing,), gateway.deaths, "; ".join(trouble))


def _shown(exchange: Exchange) -> list[str]:
    """Each message is answered once, under one id, with the same words if it is pushed again."""
    trouble: list[str] = []
    if exchange.shown != list(MESSAGES.values()):
        trouble.append(f"shown {exchange.shown}")
    if len(set(exchange.posted)) != len(dict(exchange.posted)):
        trouble.append(f"a reply changed: {exchange.posted}")
    return trouble


def _taken(runtime: Runtime) -> list[str]:
    """One session, with each message once."""
    log = runtime.log(SCOPE)
    streams = [row.stream for row in log.stream_rows("session", limit=10)]
    taken = [ev for stream in streams for ev in log.events(stream) if isinstance(ev.control, e.MessageReceived)]
    if len(streams) != 1 or len(taken) != len(MESSAGES):
        return [f"{len(taken)} messages in {len(streams)} sessions"]
    return []


def play(playing: Playing) -> bool:
    """Deaths at every point, at random passings of it. Whether anything is wrong."""

    def die(passing: Passing) -> Callable[[Path], Death]:
        return lambda home: asyncio.run(death(home, passing))

    plan = [Passing(point, nth_of(point)) for point in points()]
    plan += [
        Passing(point, playing.chance.randint(1, 4))
        for point in points()
        for _ in range(playing.rounds - 1)
        if nth_of(point) > 1
    ]
    return summed_up(all_of([die(each) for each in plan], playing, "hooks"), "webhooks", playing)
