"""A customer at the web chat of a gateway that may die at any moment: sends until it is acknowledged, reads until
everything is answered, and remembers all that was shown."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.crash.nest import ROOT

Transport = Literal["polling", "stream"]
PATH = "/v1/messaging/webchat/acme/v3/directline"
MESSAGES = {"hello": "hello", "look": "look: ok", "pay 10": "pay: ok", "note": "note: ok"}
GONE = (httpx.TransportError, OSError, WebSocketException)


class Gateway:
    """The gateway's process, and the one that takes its place when it died."""

    def __init__(self, home: Path, point: str, nth: int, *, command: Sequence[str] = ()) -> None:
        self._command = command or ("tests.crash.gateway", str(home))
        self._point, self._nth = point, nth
        self._process: Process | None = None
        self._changing = asyncio.Lock()
        self.deaths = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.ensure()
        return self

    async def __aexit__(self, *ended: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def ensure(self) -> None:
        """Somebody answers after this. Only the first life dies at the point."""
        async with self._changing:
            while True:
                if self._process is None:
                    await self._begin()
                assert self._process is not None
                line = await self._first_line() if not self.port else b"known"
                if line and self._process.returncode is None:
                    return
                await self._end()

    async def _first_line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        self.port = int(line or 0)
        return line

    async def _begin(self) -> None:
        point = [] if self.deaths else ["--point", self._point, "--nth", str(self._nth)]
        command = (sys.executable, "-m", *self._command, *point)
        self._process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)

    async def _end(self) -> None:
        assert self._process is not None
        code = await self._process.wait()
        if code != -signal.SIGKILL:
            raise AssertionError(f"the gateway ended with {code}")
        self.deaths, self.port, self._process = self.deaths + 1, 0, None

    async def died(self) -> None:
        """A connection broke: the process is dead, or about to be."""
        async with self._changing:
            if self._process is None:
                return
            try:
                async with asyncio.timeout(0.5):
                    await self._process.wait()
            except TimeoutError:
                return
            await self._end()


class Visitor:
    """One conversation. `shown` holds every activity ever received, by id; `acknowledged` the id each message got."""

    def __init__(self, gateway: Gateway, transport: Transport) -> None:
        self._gateway, self._transport = gateway, transport
        self._token = ""
        self._conversation = ""
        self._watermark = ""
        self._news = asyncio.Event()
        self.shown: dict[str, dict[str, Any]] = {}
        self.acknowledged: dict[str, str] = {}

    async def converse(self) -> None:
        """The whole conversation, each message sent until it is acknowledged and read until it is answered."""
        self._token = (await self._ask("POST", "/tokens/generate", {"user": {"id": "dl_visitor"}}))["token"]
        opened = await self._ask("POST", "/conversations", {})
        self._conversation, self._token = opened["conversationId"], opened["token"]
        reading = asyncio.create_task(self._poll() if self._transport == "polling" else self._listen())
        for i, (text, answer) in enumerate(MESSAGES.items()):
            await self._say(f"activity-{i}", text)
            await self._read_until(answer)
        reading.cancel()

    async def everything(self) -> list[dict[str, Any]]:
        """The conversation as a stranger to it would be shown it, and everything confirmed."""
        page = await self._ask("GET", f"/conversations/{self._conversation}/activities")
        await self._ask("GET", f"/conversations/{self._conversation}/activities?watermark={page['watermark']}")
        return page["activities"]

    async def _say(self, id: str, text: str) -> None:
        activity = {"type": "message", "id": id, "from": {"id": "dl_visitor"}, "text": text}
        activity["channelData"] = {"clientActivityID": id}
        answer = await self._ask("POST", f"/conversations/{self._conversation}/activities", activity)
        self.acknowledged[text] = answer["id"]

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """Asks until somebody answers with 2xx. Anything but a broken connection or 503 is an error."""
        while True:
            await self._gateway.ensure()
            headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
            try:
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._gateway.port}{PATH}") as http:
                    response = await http.request(method, path, json=body, headers=headers, timeout=20)
            except GONE:
                await self._gateway.died()
                continue
            if response.status_code == 503:
                await asyncio.sleep(0.05)
                continue
            if response.is_error:
                raise AssertionError(f"{method} {path}: {response.status_code} {response.text}")
            return response.json()

    async def _read_until(self, answer: str) -> None:
        while not any(a["text"] == answer and a["from"]["role"] == "bot" for a in self.shown.values()):
            self._news.clear()
            await self._news.wait()

    async def _poll(self) -> None:
        while True:
            watermark = f"?watermark={self._watermark}" if self._watermark else ""
            self._take(await self._ask("GET", f"/conversations/{self._conversation}/activities{watermark}"))
            await asyncio.sleep(0.02)

    async def _listen(self) -> None:
        """Follows the stream; when it breaks, a new one from the last watermark on."""
        while True:
            again = await self._ask("GET", f"/conversations/{self._conversation}?watermark={self._watermark}")
            try:
                async with connect(again["streamUrl"]) as stream:
                    async for frame in stream:
                        self._take(json.loads(frame))
            except GONE:
                pass
            await self._gateway.died()

    def _take(self, page: dict[str, Any]) -> None:
        for activity in page["activities"]:
            if activity["type"] == "message":
                known = self.shown.setdefault(activity["id"], activity)
                assert known["text"] == activity["text"], f"{activity['id']} changed its text"
        self._watermark = page["watermark"]
        self._news.set()
