"""A platform that brings what cannot be read yet, and hangs up on what it is sent; and a person who looks after both.

What it brings, it brings again in every life, as platforms do that were not told that it is taken.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import httpx

from lichen import Agent
from lichen.channels.dummy.channel import DummyChannel
from lichen.channels.platform.signing import hmac_hex
from lichen.channels.port import Arrival, Inbound
from lichen.core.deciders import events as e
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Scope
from lichen.engine.ports import Delivery, Outbound, Traits
from lichen.runtime import Runtime
from lichen.runtime.project.loading import load
from lichen.serve.site import make_site
from tests.crash.bills import Wrong
from tests.crash.world import outside

SCOPE: Final = Scope("acme", "dev")
OPS: Final = Operator("ops", ("operator",))
SECRET: Final = "s3"
PROJECT = """
[lichen]
agents = ["shop.py:echo"]
home = "."

[tenants.acme]
agent = "shop.echo"
policies = "policies"

[tenants.acme.dummy]
secret = "env:DUMMY_SECRET"
"""
BROUGHT: Final = ("take me", "leave me")  # the first is replayed, the second put away
SAID: Final = ("shown", "lost")  # of what is answered to the second nothing arrives before the line is cut
REPEATED: Final = "again"


class Echo:
    """Says what it is told."""

    pure = True
    digest = "echo-1"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer=input.input[0].text)


echo = Agent("shop.echo", planner=Echo())


class Reader(DummyChannel):
    """A channel that reads nothing until it is mended, and writes down what it sends."""

    is_mended = False
    home = Path()

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        if not self.is_mended:
            raise ZeroDivisionError
        return super().parse(scope, arrival, sender)

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        with outside(self.home) as world:
            key = (message.session, message.id)
            if not world.execute("select 1 from sent where session = ? and message = ?", key).fetchone():
                world.execute("insert into sent values (?, ?, ?)", (*key, message.saying.text))
        return await super().send(scope, message)


class Cut:
    """A platform on which the line is cut whenever it is sent something for the first time. It has no ids: what is sent
    twice is there twice."""

    def __init__(self, home: Path, traits: Traits) -> None:
        self._home, self._traits = home, traits

    def traits(self, scope: Scope) -> Traits:
        return self._traits

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        with outside(self._home) as world:
            tried = ("try", f"{message.session}/{message.id}")
            is_first = not world.execute("select 1 from effects where tool = ? and key = ?", tried).fetchone()
            world.execute("insert into effects values (?, ?)", tried)
            if not (is_first and message.saying.text == "lost"):
                world.execute("insert into sent values (?, ?, ?)", (message.session, message.id, message.saying.text))
        return Delivery("unknown", "cut", retry_after_s=0.0) if is_first else Delivery("delivered")

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        return None


def write(home: Path) -> None:
    """A project with the channel of which a platform brings."""
    (home / "policies").mkdir(parents=True, exist_ok=True)
    (home / "policies" / "open.cedar").write_text('@id("open") permit (principal, action, resource);\n')
    (home / "lichen.toml").write_text(PROJECT)
    (home / "shop.py").write_text("from tests.crash.others.platform import echo\n")


async def bring(runtime: Runtime, *texts: str) -> None:
    """The platform brings messages, and is told that they are taken."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_site(runtime)), base_url="http://shop") as client:
        for text in texts:
            body = json.dumps({"id": text, "sender": "bea", "text": text, "conversation": text}).encode()
            sent = str(int(time.time()))
            signed = {"dummy-time": sent, "dummy-signature": hmac_hex(SECRET, sent.encode(), b".", body)}
            taken = await client.post("/v1/messaging/ingress/dummy/acme", content=body, headers=signed)
            if taken.is_error:
                raise Wrong(f"the platform is told {taken.status_code} {taken.text}")


async def settle(runtime: Runtime, home: Path) -> None:
    """A person looks through what got stuck: takes one letter, puts the other away, and looks at the platform itself to
    see whether a message in doubt is there."""
    for letter in await runtime.letters.list(SCOPE, OPS):
        if letter.stage == "ingress":
            act = runtime.letters.replay if BROUGHT[0] in str(letter.text) else runtime.letters.drop
        else:
            with outside(home) as world:
                shown = world.execute("select count(*) from sent where text = ?", (letter.text,)).fetchone()[0]
            act = runtime.letters.delivered if shown else runtime.letters.replay
        await act(SCOPE, letter.id, OPS)


async def play(runtime: Runtime, home: Path, channel: Reader) -> None:
    """The story."""
    for _ in range(2):
        await bring(runtime, *BROUGHT)
    channel.is_mended = True
    for name, words in (("held", SAID), ("repeated", (REPEATED,))):
        for text in words:
            session = await runtime.sessions.open(
                SCOPE, Customer("bea"), agent="shop.echo", channel=name, delivery="push", key=text
            )
            await session.say(text, key=f"say-{text}")
    await runtime.idle()
    while await runtime.letters.list(SCOPE, OPS):
        await settle(runtime, home)
        await runtime.idle()
    await bring(runtime, BROUGHT[0])
    await runtime.idle()


async def live(home: Path) -> None:
    """One life: the story, and the judge."""
    write(home)
    os.environ["DUMMY_SECRET"] = SECRET
    cut = {"held": Cut(home, Traits("doubles", "hold")), "repeated": Cut(home, Traits("doubles", "repeat"))}
    project = load(home / "lichen.toml", environ={})
    async with Runtime.of(project, channels=cut) as runtime:
        channel: Any = project.channels.get("dummy", "acme")[1]
        channel.__class__, channel.home = Reader, home
        await play(runtime, home, channel)
        await judge(runtime, home)


async def judge(runtime: Runtime, home: Path) -> None:
    """Raises Wrong where a letter was settled twice or not at all, or somebody was told twice or not at all."""
    log = runtime.log(SCOPE)
    tenants = [each.control for each in log.records(TENANT_STREAM)]
    dead = [each for each in tenants if isinstance(each, e.DeadLettered)]
    decided = Counter(each.decision for each in tenants if isinstance(each, e.LetterSettled))
    if len(dead) != len(BROUGHT) or decided != Counter(replayed=1, dropped=1):
        raise Wrong(f"{len(dead)} letters, settled as {decided}")
    with outside(home) as world:
        told = Counter(text for (text,) in world.execute("select text from sent"))
    doubts = _doubts(runtime)
    again = told.pop(REPEATED, 0)
    if told != Counter((BROUGHT[0], *SAID)) or not 1 <= again <= 1 + doubts["repeat"]:
        raise Wrong(f"told {told}, the one that is repeated {again} times after {doubts['repeat']} doubts")
    if doubts["hold"] < len(SAID):
        raise Wrong(f"a line was cut, and only {doubts} were in doubt")
    report = await runtime.proofs.verify(SCOPE, SYSTEM)
    if not report.ok:
        raise Wrong(f"the log does not verify: {report}")


def _doubts(runtime: Runtime) -> Counter[str]:
    """How often what was decided of a doubt. Raises Wrong where something is still on its way."""
    log, found = runtime.log(SCOPE), Counter[str]()
    for row in log.stream_rows("session", limit=10):
        controls = [each.control for each in log.events(row.stream)]
        queued = {each.message for each in controls if isinstance(each, e.MessageQueued)}
        ended = {arrived for each in controls if (arrived := _arrived(each)) is not None}
        if queued != ended or len(queued) != 1:
            raise Wrong(f"queued {queued}, delivered {ended}")
        found.update(each.decision for each in controls if isinstance(each, e.DeliveryDoubted))
    return found


def _arrived(control: e.Control) -> str | None:
    match control:
        case e.DeliverySettled(message=message, outcome="delivered"):
            return message
        case e.DeliveryResolved(message=message, decision="delivered"):
            return message
        case _:
            return None
