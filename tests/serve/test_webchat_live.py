"""What a customer sees on the socket while a model still makes the message."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from lichen import Agent, tool
from lichen.core.ports.model import Delta
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import ToolName
from tests.serve.widget import DEADLINE_S, Client, app_of, project_in, runtime_of, served


class Speaker:
    """A model's stand-in that says its words one by one, each when it is let."""

    pure = False
    digest = "speaker"

    def __init__(self, *words: str) -> None:
        self._words = words or ("Al", "most")
        self.may_go_on = asyncio.Semaphore(0)

    async def plan(self, input: PlanInput) -> Plan:
        for word in self._words:
            await self.may_go_on.acquire()
            assert input.deltas is not None
            input.deltas(Delta(word))
        await self.may_go_on.acquire()
        return Plan(answer="Almost." if self._words[0] == "Al" else "".join(self._words))


async def _next(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        (activity,) = json.loads(await socket.recv())["activities"]
    return activity


@pytest.mark.req("GOA-50.5")
async def test_a_message_is_shown_as_it_comes_and_then_takes_the_place_of_what_was_shown(tmp_path: Path) -> None:
    speaker = Speaker()
    project = msgspec.structs.replace(project_in(tmp_path), agents=(Agent("shop.echo", planner=speaker),))
    async with runtime_of(project) as runtime:
        app = app_of(runtime)
        ann = await Client(app).open()
        async with served(app) as host, connect(ann.url.replace("chat.test", host)) as socket:
            await ann.say("Well?")
            seen = [await _next(socket), await _next(socket)]
            for _ in range(3):
                speaker.may_go_on.release()
                seen.append(await _next(socket))
        history = (await ann.get())["activities"]
    echo, typing, first, second, message = seen
    assert (echo["type"], typing["type"], "text" in typing) == ("message", "typing", False)
    stream = first["id"]
    assert [(a["type"], a["text"], a["channelData"]) for a in (first, second)] == [
        ("typing", "Al", {"streamType": "streaming", "streamSequence": 1}),
        ("typing", "Almost", {"streamType": "streaming", "streamSequence": 2, "streamId": stream}),
    ]
    assert (message["type"], message["text"]) == ("message", "Almost.")
    assert (message["channelData"]["streamType"], message["channelData"]["streamId"]) == ("final", stream)
    assert [a["type"] for a in history] == ["message", "message"], "what was shown meanwhile is kept nowhere"


@pytest.mark.req("GOA-61.17")
async def test_of_a_value_that_is_said_in_a_sentence_a_chat_shows_only_that_somebody_is_typing(tmp_path: Path) -> None:
    speaker = Speaker('{"amount":', "8000}")
    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
    agent = Agent("shop.echo", planner=speaker, answers=schema, say="{amount|money} EUR back.")
    async with runtime_of(msgspec.structs.replace(project_in(tmp_path), agents=(agent,))) as runtime:
        app = app_of(runtime)
        ann = await Client(app).open()
        async with served(app) as host, connect(ann.url.replace("chat.test", host)) as socket:
            await ann.say("Well?")
            seen = [await _next(socket), await _next(socket)]
            for _ in range(3):
                speaker.may_go_on.release()
            seen.append(await _next(socket))
    assert [(each["type"], each.get("text", "")) for each in seen] == [
        ("message", "Well?"),
        ("typing", ""),
        ("message", "80.00 EUR back."),
    ]


class Looker:
    """Looks an order up, then answers."""

    pure, digest = True, "looker"

    async def plan(self, input: PlanInput) -> Plan:
        call = CallRequest(ToolName("orders.lookup"), b'{"order_id":"1042"}')
        return Plan(answer="On its way.") if input.results else Plan(calls=(call,))


@pytest.mark.req("GOA-37.3")
async def test_while_a_call_is_made_the_customer_sees_its_line_as_an_informative_stream(tmp_path: Path) -> None:
    may_end = asyncio.Event()

    @tool(name="orders.lookup", effects="none", runs="loop", call_hint="Looking up order {order_id}…")
    async def lookup(order_id: str) -> str:
        """Looks up an order."""
        await may_end.wait()
        return "on its way"

    agent = Agent("shop.echo", planner=Looker(), tools=[lookup])
    async with runtime_of(msgspec.structs.replace(project_in(tmp_path), agents=(agent,))) as runtime:
        app = app_of(runtime)
        ann = await Client(app).open()
        async with served(app) as host, connect(ann.url.replace("chat.test", host)) as socket:
            await ann.say("Where is order 1042?")
            seen = [await _next(socket)]
            while seen[-1].get("text") != "Looking up order 1042…":
                seen.append(await _next(socket))
            may_end.set()
            last = await _next(socket)
            while last["type"] != "message":
                last = await _next(socket)
    note = seen[-1]
    assert (note["type"], note["textFormat"]) == ("typing", "plain")
    assert note["channelData"] == {"streamType": "informative", "streamSequence": 1}
    assert (last["text"], last["channelData"]["streamId"]) == ("On its way.", note["id"])
