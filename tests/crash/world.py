"""The world that lives are killed in: a shop that inserts blindly, agents that do everything a run can do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel

from lichen import Agent, CallMeta, CannotTell, Limits, NotDone, Retry, Secret, tool
from lichen.core.ports.handover import handover
from lichen.core.ports.plan import CallRequest, Plan, PlanInput, WaitRequest
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Scope
from lichen.engine.ports import Delivery, Outbound

SHOP_KEY = "a key of the shop's own"
SCHEMA = """
create table if not exists effects (tool text, key text);
create table if not exists sent (session text, message text, text text);
"""


class Done(BaseModel):
    ok: bool = True


def outside(home: str | Path) -> AbstractContextManager[sqlite3.Connection]:
    """The outside world, as it lies in a data directory."""
    folder = Path(home) / "files" / "acme" / "dev"
    folder.mkdir(parents=True, exist_ok=True)
    return outside_in(folder)


@contextmanager
def outside_in(folder: str | Path) -> Generator[sqlite3.Connection]:
    """The outside world: no constraint keeps an effect from happening twice."""
    connection = sqlite3.connect(Path(folder) / "outside.sqlite", timeout=10)
    connection.executescript(SCHEMA)
    with closing(connection), connection:
        yield connection


def count(home: str | Path, tool_name: str, key: str) -> int:
    with outside(home) as world:
        return _count(world, tool_name, key)


def _count(world: sqlite3.Connection, tool_name: str, key: str) -> int:
    return world.execute("select count(*) from effects where tool = ? and key = ?", (tool_name, key)).fetchone()[0]


def act(name: str, meta: CallMeta) -> Done:
    """Does it, blindly, and writes it down."""
    with outside_in(meta.attributes["files"]) as world:
        world.execute("insert into effects values (?, ?)", (name, meta.idempotency_key))
    return Done()


def probe_pay(idempotency_key: str, *, meta: CallMeta) -> Done | None:
    with outside_in(meta.attributes["files"]) as world:
        return Done() if _count(world, "shop.pay", idempotency_key) else None


def blind(idempotency_key: str, *, meta: CallMeta) -> Done | CannotTell:
    return CannotTell()


@tool(name="shop.look", effects="none", runs="loop", origin="third_party")
async def look(*, meta: CallMeta) -> Done:
    """Reads."""
    return Done()


async def _pay(amount: int, *, key: Annotated[Secret, "shop.key"], meta: CallMeta) -> Done:
    """Pays, blindly, with the key it is handed."""
    assert key.reveal() == SHOP_KEY
    return act("shop.pay", meta)


@tool(name="shop.note", effects="idempotent", runs="loop")
async def note(*, meta: CallMeta) -> Done:
    """Writes down what may be written twice."""
    return act("shop.note", meta)


@tool(name="shop.flaky", effects="idempotent", runs="loop", retry=Retry(attempts=2, backoff_s=0.02))
async def flaky(*, meta: CallMeta) -> Done:
    """Works on the second attempt."""
    if meta.attempt == 1:
        raise NotDone("Not yet.", code="busy")
    return Done()


@tool(name="shop.hang", effects="none", runs="loop")
async def hang(*, meta: CallMeta) -> Done:
    """Never comes back by itself."""
    await asyncio.Event().wait()
    return Done()


class Script:
    """Does what the first word of the message says. Not pure, so that every plan is announced."""

    pure = False
    digest = "crash-script-1"

    async def plan(self, input: PlanInput) -> Plan:
        if input.reason == "finalize":
            return Plan(answer=f"limit {input.limit}")
        word, *rest = (input.input[0].text if input.reason == "start" else input.state.decode()).split()
        state = " ".join([word, *rest]).encode()
        if input.reason == "start":
            return _first(word, rest, state)
        if word == "forever":
            return Plan(calls=(CallRequest(ToolName("shop.look"), b"{}"),), state=state)
        outcomes = [r.outcome for r in input.results] + [a.outcome for a in input.answers]
        return Plan(answer=f"{word}: {' '.join(outcomes)}")


def _first(word: str, rest: list[str], state: bytes) -> Plan:
    match word:
        case "hello":
            return Plan(answer="hello")
        case "pay":
            return Plan(calls=(CallRequest(ToolName("shop.pay"), b'{"amount":%s}' % rest[0].encode()),), state=state)
        case "child":
            return Plan(calls=(CallRequest(ToolName("crash.payer"), b'{"text":"pay 10"}'),), state=state)
        case "ask":
            return Plan(waits=(WaitRequest("clarification", "Which one?"),), says=("Let me see.",), state=state)
        case "person":
            return Plan(waits=(handover("person", told="Somebody comes."),), state=state)
        case "nap":
            return Plan(waits=(WaitRequest("timer", may_answer=(), expires_s=0.02),), state=state)
        case "forever":
            return Plan(calls=(CallRequest(ToolName("shop.look"), b"{}"),), state=state)
        case _:
            return Plan(calls=(CallRequest(ToolName(f"shop.{word}"), b"{}"),), state=state)


class PayerScript(Script):
    """The child: gets the parent's arguments as JSON."""

    async def plan(self, input: PlanInput) -> Plan:
        if input.reason == "start":
            return Plan(calls=(CallRequest(ToolName("shop.pay"), b'{"amount":10}'),))
        return Plan(answer=" ".join(r.outcome for r in input.results))


class Payload(BaseModel):
    text: str


def agents(*, has_probe: bool) -> list[Agent]:
    """The agents, with or without a probe on the one tool that may not act twice."""
    pay = tool(name="shop.pay", effects="once", runs="loop", probe=probe_pay if has_probe else blind)(_pay)
    payer = Agent("crash.payer", planner=PayerScript(), tools=[pay], limits=Limits(calls=4))
    helper = payer.as_tool(description="Pays.", input=Payload)
    main = Agent("crash.main", planner=Script(), tools=[look, pay, note, flaky, hang, helper], limits=Limits(calls=6))
    return [main, payer]


class Post:
    """A channel that writes down what it sends. The same id twice is the same message."""

    def __init__(self, home: Path) -> None:
        self._home = home

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        key = (message.session, message.id)
        with outside(self._home) as world:
            known = world.execute("select 1 from sent where session = ? and message = ?", key).fetchone()
            if known is None:
                world.execute("insert into sent values (?, ?, ?)", (*key, message.saying.text))
        return Delivery("delivered")


POLICY = """
@id("read") permit (principal, action, resource) unless { action == Action::"shop.pay" };
@id("pay") permit (principal, action == Action::"shop.pay", resource) when { context.args.amount <= 50 };
@id("ask") @approval("operator") @expires("1h") @public("Please wait.") @reason("more than 50")
permit (principal, action == Action::"shop.pay", resource) when { context.args.amount > 50 };
"""
