"""Flows through a real runtime: the demo's story with its welcome flow in front, and what only an engine can show."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from lichen.core.words.scope import SYSTEM, Actor, Scope
from lichen.runtime import Runtime, Session
from lichen.runtime.project.loading import load
from lichen.runtime.views.wait import WaitView

DEMO = Path(__file__).parents[2] / "demo"
OPS = Actor("operator", "ops", ("operator",))
ACME = Scope("acme", "dev")
ASKED = "I want a refund of 80 EUR for order 1042."


class Shop:
    """The demo, hosted over a home of its own; `open` again is another process's start."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("__pycache__", ".lichen"))
        self.folder = folder

    def open(self) -> Runtime:
        return Runtime.of(load(self.folder / "lichen.toml", environ={}))

    def refunds(self, tenant: str = "acme") -> list[tuple[str, int]]:
        with sqlite3.connect(self.folder / ".lichen" / "files" / tenant / "dev" / "shop.sqlite") as shop:
            return shop.execute("select order_id, amount from refunds order by rowid").fetchall()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


async def meet(runtime: Runtime, tenant: str = "acme", customer: str = "customer-7") -> Session:
    assert runtime.project is not None
    route = runtime.project.route(tenant, "webchat")
    actor = runtime.project.settings.actor(tenant, customer)
    return await runtime.sessions.open(Scope(tenant, "dev"), actor, agent=route.target, channel="webchat", key="1")


async def hear(session: Session, text: str) -> str:
    return (await (await session.say(text)).result()).text


def held(runtime: Runtime, tenant: str = "acme") -> WaitView:
    (wait,) = runtime.waits.list(Scope(tenant, "dev"), SYSTEM)
    return wait


async def told(session: Session) -> list[str]:
    """Everything that is on its way to the customer, fetched and confirmed."""
    messages = await session.pending()
    for message in messages:
        await session.delivered(message.id)
    return [message.text for message in messages]


async def test_the_flow_greets_and_tells_where_an_order_is(shop: Shop) -> None:
    async with shop.open() as runtime:
        session = await meet(runtime)
        assert "Hello" in await hear(session, "Hi")
        assert "shipped" in await hear(session, "Where is order 1042?")
        assert await hear(session, "thanks!") == "You are welcome."
        assert await hear(session, "Where is order 9999?") == "I find no order 9999 of yours."


@pytest.mark.req("GRE-20.1", "LIC-1.4")
async def test_a_held_refund_of_the_flows_child_survives_a_restart_and_happens_once(shop: Shop) -> None:
    async with shop.open() as runtime:
        session = await meet(runtime)
        assert "needs a colleague’s approval" in await hear(session, ASKED)
        assert "shipped" in await hear(session, "Where is order 1042?"), "the customer may go on talking"
        wait = held(runtime)
        assert wait.operator["arguments"] == {"order_id": "1042", "amount": 8000}
        assert all(origin.startswith("customer:") for origin in wait.operator["origins"].values())
        await told(session)
    async with shop.open() as runtime:
        assert held(runtime).id == wait.id
        assert shop.refunds() == []
        await runtime.waits.approve(ACME, wait.id, OPS)
        await runtime.idle()
        (text,) = await told(await meet(runtime))
        assert "80.00 EUR for order 1042" in text
        assert shop.refunds() == [("1042", 8000)]
        assert (await runtime.proofs.verify(ACME, SYSTEM)).ok


@pytest.mark.req("LIC-1.10")
async def test_a_denied_refund_is_answered_through_the_flow_and_never_made(shop: Shop) -> None:
    async with shop.open() as runtime:
        session = await meet(runtime)
        await hear(session, ASKED)
        await told(session)
        await runtime.waits.deny(ACME, held(runtime).id, OPS)
        await runtime.idle()
        (text,) = await told(session)
        assert "declined" in text
        assert shop.refunds() == []


@pytest.mark.req("LIC-1.10")
async def test_the_daily_limit_holds_through_the_flow(shop: Shop) -> None:
    async with shop.open() as runtime:
        session = await meet(runtime, customer="customer-8")
        assert "50.00 EUR for order 1053" in await hear(session, "I want a refund of 50 EUR for order 1053.")
        assert "colleague" in await hear(session, "I want a refund of 50 EUR for order 1054.")
        assert shop.refunds() == [("1053", 5000)]


@pytest.mark.req("LIC-1.10")
async def test_the_other_tenant_refuses_refunds_through_the_flow(shop: Shop) -> None:
    async with shop.open() as runtime:
        session = await meet(runtime, "globex")
        assert "write to our service desk" in await hear(session, ASKED)
        assert runtime.waits.list(Scope("globex", "dev"), SYSTEM) == ()


@pytest.mark.req("LIC-1.11")
async def test_what_the_child_asks_reaches_the_customer_and_the_answer_the_child(shop: Shop) -> None:
    async with shop.open() as runtime:
        session = await meet(runtime)
        assert await hear(session, "I want a refund") == "Which order is it about?"
    async with shop.open() as runtime:
        session = await meet(runtime)
        assert await hear(session, "1043") == "How much shall I refund for order 1043?"
        assert "20.00 EUR for order 1043" in await hear(session, "20 EUR")
        assert shop.refunds() == [("1043", 2000)]


async def test_the_flow_asks_for_the_order_itself(shop: Shop) -> None:
    async with shop.open() as runtime:
        session = await meet(runtime)
        assert await hear(session, "Where is my order?") == "Which order is it about?"
        assert "name the order" in await hear(session, "no idea")
        assert "shipped" in await hear(session, "ah, 1042")
