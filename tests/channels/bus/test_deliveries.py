"""What becomes of a delivery when a runner or an egress dies in the middle of it: it is made once, or in doubt."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from lichen.channels.bus.book import Book, Entry, key_of
from lichen.channels.bus.connection import EGRESS, Bus
from lichen.channels.bus.envelopes import Job
from lichen.channels.bus.outlet import BusOutlet, Reports
from lichen.channels.bus.sending import Sending, reports
from lichen.channels.bus.subjects import Way
from lichen.core.speech.saying import Saying
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Delivery, Outbound, Traits
from tests.channels.bus.server import Nats

SCOPE = Scope("acme", "dev")
DELIVERED = Delivery("delivered")


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Generator[Nats]:
    with Nats(tmp_path_factory.mktemp("nats")) as server:
        yield server


@asynccontextmanager
async def opened(nats: Nats) -> AsyncGenerator[Bus]:
    bus = Bus("env:NATS_URL", {**os.environ, "NATS_URL": nats.url})
    bus.open()
    assert await bus.connected(20)
    try:
        yield bus
    finally:
        await bus.close()


class Platform:
    """Somewhere messages go, as much to be relied on as `repeats` says."""

    def __init__(self, repeats: Literal["same", "asks", "doubles"] = "doubles") -> None:
        self.repeats: Literal["same", "asks", "doubles"] = repeats
        self.shown: list[str] = []
        self.says: list[Delivery] = []
        self.has_it: bool | None = None

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        self.shown.append(message.id)
        return self.says.pop(0) if self.says else DELIVERED

    def traits(self, scope: Scope) -> Traits:
        return Traits(self.repeats)

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        return self.has_it


def message(id: str) -> Outbound:
    return Outbound(MessageId(id), SessionId("s-1"), "answer", Saying("Here."), 1)


def outlet(bus: Bus, platform: Platform, told: Reports | None = None) -> BusOutlet:
    return BusOutlet("slack", platform, bus, told or Reports(), lambda scope: Way("dev", "acme", "default", "slack"))


def job(id: str, attempt: int = 1) -> Job:
    return Job(message(id), key_of(SCOPE, "slack", message(id)), attempt)


async def begun(bus: Bus, id: str) -> None:
    """An egress noted that it begins, and died."""
    assert await Book(bus).put(job(id).key, Entry(1, "begun"), 0)


async def lies(bus: Bus, id: str) -> bool:
    """Whether an attempt was put on the bus."""

    async def looked(streams: Any) -> bool:
        state = (await streams.stream_info(EGRESS)).state
        found = [await streams.get_msg(EGRESS, n) for n in range(state.first_seq, state.last_seq + 1)]
        return id in [each.headers["Nats-Msg-Id"] for each in found]

    return await bus.ask(looked)


@pytest.mark.req("GRE-50.4")
async def test_an_attempt_that_comes_again_is_made_once_and_its_report_is_told_again(nats: Nats) -> None:
    platform = Platform()
    async with opened(nats) as bus:
        told: asyncio.Queue[bytes] = asyncio.Queue()
        await bus.listen(reports(SCOPE), lambda subject, data: told.put_nowait(data))
        for _ in range(3):
            await Sending(bus).make(SCOPE, platform, job("once"))
        assert platform.shown == ["once"]
        assert (await Book(bus).get(job("once").key)).entry == Entry(1, "ended", DELIVERED)
        assert [await told.get() for _ in range(3)] == [job("once").key.encode()] * 3


@pytest.mark.req("GRE-50.4")
@pytest.mark.parametrize(
    ("repeats", "has", "ended", "shown"),
    [
        ("doubles", None, Delivery("unknown", "interrupted"), 0),
        ("same", None, DELIVERED, 1),
        ("asks", True, DELIVERED, 0),
        ("asks", False, DELIVERED, 1),
        ("asks", None, Delivery("unknown", "interrupted"), 0),
    ],
)
async def test_what_an_egress_began_and_did_not_end_is_in_doubt_unless_the_platform_can_tell(
    repeats: Literal["same", "asks", "doubles"], has: bool | None, ended: Delivery, shown: int, nats: Nats
) -> None:
    id, platform = f"cut-{repeats}-{has}", Platform(repeats)
    platform.has_it = has
    async with opened(nats) as bus:
        await begun(bus, id)
        await Sending(bus).make(SCOPE, platform, job(id))
        assert (await Book(bus).get(job(id).key)).entry == Entry(1, "ended", ended)
        assert len(platform.shown) == shown


@pytest.mark.req("GRE-50.4")
async def test_a_runner_that_comes_back_takes_back_what_nobody_began(nats: Nats) -> None:
    platform = Platform()
    async with opened(nats) as bus:
        assert await outlet(bus, platform).has(SCOPE, message("back")) is False
        await Sending(bus).make(SCOPE, platform, job("back"))  # the attempt of its life before comes late
        assert platform.shown == []
        await Sending(bus).make(SCOPE, platform, job("back", 2))
        assert platform.shown == ["back"]
        assert await outlet(bus, platform).has(SCOPE, message("back")) is True
        await Sending(bus).make(SCOPE, platform, job("back", 3))
        assert platform.shown == ["back"]


@pytest.mark.req("GRE-50.4")
@pytest.mark.parametrize(("state", "knows"), [("failed", False), ("retry", False), ("unknown", None)])
async def test_what_a_runner_asks_of_a_delivery_is_what_the_egress_reported(
    state: Literal["failed", "retry", "unknown"], knows: bool | None, nats: Nats
) -> None:
    id, platform = f"asked-{state}", Platform()
    platform.says = [Delivery(state, "as_it_is")]
    async with opened(nats) as bus:
        await Sending(bus).make(SCOPE, platform, job(id))
        assert await outlet(bus, platform).has(SCOPE, message(id)) is knows


@pytest.mark.req("GRE-50.4")
async def test_of_a_runner_and_an_egress_that_decide_at_once_one_has_its_way(nats: Nats) -> None:
    told = Reports()
    async with opened(nats) as bus, opened(nats) as other:
        await bus.listen(reports(SCOPE), told.heard)
        for i in range(20):
            platform, id = Platform(), f"race-{i}"
            deciding: list[Callable[[], Awaitable[object]]] = [
                lambda id=id, platform=platform: outlet(bus, platform, told).has(SCOPE, message(id)),
                lambda id=id, platform=platform: Sending(other).make(SCOPE, platform, job(id)),
            ]
            has, _ = await asyncio.gather(*(each() for each in deciding))
            assert has is bool(platform.shown)


@pytest.mark.req("GRE-50.4")
@pytest.mark.parametrize("said", [DELIVERED, Delivery("failed", "blocked"), Delivery("retry", "busy", 7.0)])
async def test_a_runner_settles_by_what_the_egress_reports(said: Delivery, nats: Nats) -> None:
    id, platform, told = f"said-{said.outcome}", Platform(), Reports()
    platform.says = [said]
    async with opened(nats) as bus:
        await bus.listen(reports(SCOPE), told.heard)
        sending = asyncio.ensure_future(outlet(bus, platform, told).send(SCOPE, message(id)))
        await Sending(bus).make(SCOPE, platform, job(id))
        assert await sending == said


@pytest.mark.req("GRE-50.4")
async def test_a_runner_that_ends_takes_back_what_no_egress_began_and_leaves_the_rest_in_doubt(nats: Nats) -> None:
    platform, told = Platform(), Reports()
    async with opened(nats) as bus:
        sending = [asyncio.ensure_future(outlet(bus, platform, told).send(SCOPE, message(id))) for id in ("w", "b")]
        while not all([await lies(bus, f"{job(id).key}.1") for id in ("w", "b")]):
            pass
        await begun(bus, "b")
        told.close()
        assert await asyncio.gather(*sending) == [
            Delivery("retry", "egress_away"),
            Delivery("unknown", "egress_silent"),
        ]
        await Sending(bus).make(SCOPE, platform, job("w"))
        assert platform.shown == []


def test_what_may_be_relied_on_over_the_bus_is_never_more_than_the_book_knows() -> None:
    bus = Bus("env:NATS_URL", {})
    for repeats, over in (("same", "same"), ("asks", "asks"), ("doubles", "asks")):
        assert outlet(bus, Platform(repeats)).traits(SCOPE).repeats == over  # pyright: ignore[reportArgumentType]


def test_nothing_in_the_name_of_a_delivery_is_anybodys_words() -> None:
    key = key_of(SCOPE, "slack", message("an id that somebody chose"))
    assert key.startswith("dev.acme.")
    assert len(key.split(".")) == 3
    assert key != key_of(SCOPE, "slack2", message("an id that somebody chose"))
