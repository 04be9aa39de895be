"""While a pack is replaced again and again, every message is answered once, by a version that was in force."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.ids import SessionId, run_stream, session_stream
from lichen.core.words.scope import Customer
from lichen.runtime.runtime import Runtime
from tests.runtime.test_packs import CLERK, FLOW, OPS, SCOPE, Desk, opened

SWAPS, BROKEN, PAUSE_S = 20, 7, 0.02


class Answered(NamedTuple):
    """A message that was answered: the versions that were in force when it was sent, and when the answer came."""

    session: SessionId
    text: str
    first: int
    last: int


class Office:
    """A desk whose pack is replaced: which version is in force at the least, and which may be."""

    def __init__(self, desk: Desk, runtime: Runtime) -> None:
        self.desk, self.runtime = desk, runtime
        self.sure = self.shipped = 0
        self.digests: dict[str, int] = {}

    def note(self) -> None:
        """Remembers which version the agent in force is."""
        self.sure = self.shipped
        self.digests[next(agent.digest for agent in self.runtime.hosted if agent.name == "desk.clerk")] = self.sure

    async def swap(self, number: int) -> None:
        """Puts another version in force, or tries to."""
        flow = "id: [" if number == BROKEN else FLOW.replace("first", f"version {number}")
        self.desk.write(clerk=CLERK.replace("first", f"version {number}"))
        if number == BROKEN:
            (self.desk.root / "desk.gtpack").write_bytes(b"PK\x03\x04 broken")
            assert (await self.runtime.reload(SCOPE, OPS)).broken
            return
        self.desk.write(flow=flow)
        self.desk.ship()
        self.shipped = number
        assert (await self.runtime.reload(SCOPE, OPS)).broken == ()
        self.note()

    async def ask(self, number: int) -> Answered:
        """What is said to somebody who comes now."""
        first = self.sure
        session = await self.runtime.sessions.open(SCOPE, Customer(f"customer-{number}"), agent="desk.clerk")
        text = (await (await session.say("hello")).result()).text
        return Answered(session.id, text, first, self.shipped)


@pytest.mark.req("GRE-74.7")
async def test_no_message_is_lost_or_answered_twice_while_a_pack_is_replaced_twenty_times(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.write(clerk=CLERK.replace("first", "version 0"), flow=FLOW)
    desk.ship()
    async with opened(desk) as runtime:
        office = Office(desk, runtime)
        office.note()

        asking, asked = list[asyncio.Task[Answered]](), asyncio.Event()

        async def swapping() -> None:
            for number in range(1, SWAPS + 1):
                await asked.wait()  # a message at least between two swaps, however fast these are
                asked.clear()
                await office.swap(number)

        swaps = asyncio.ensure_future(swapping())
        while not swaps.done():
            asking.append(asyncio.ensure_future(office.ask(len(asking))))
            asked.set()
            await asyncio.sleep(PAUSE_S)
        await swaps
        asking.append(asyncio.ensure_future(office.ask(len(asking))))
        answers = await asyncio.wait_for(asyncio.gather(*asking), 30)
        assert len(answers) > SWAPS
        for each in answers:
            version = int(each.text.removeprefix("version "))
            assert each.first <= version <= each.last
            assert version != BROKEN
            assert pinned(runtime, each.session, office.digests) == version
        assert len({each.text for each in answers}) > SWAPS // 2


def pinned(runtime: Runtime, session: SessionId, digests: dict[str, int]) -> int:
    """The version that stands in the one run of a session, which said one thing."""
    log = runtime.log(SCOPE)
    events = [event.control for event in log.events(session_stream(session))]
    turn = next(control for control in events if isinstance(control, e.TurnOpened))
    assert [type(control) for control in events].count(e.TurnOpened) == 1
    assert len([control for control in events if isinstance(control, e.MessageQueued)]) == 1
    started = log.events(run_stream(turn.run))[0].control
    assert isinstance(started, e.RunStarted)
    return digests[started.pins.agent]
