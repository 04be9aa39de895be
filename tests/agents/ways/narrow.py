"""A provider on a real socket that takes so many requests a second, whoever asks, and sends everything above away."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.agents.ways.test_http import OK


class Came(NamedTuple):
    """A request: when it came, of which process, and whether it was answered."""

    at_s: float
    name: str
    is_answered: bool


class Narrow:
    """Answers `per_s` requests a second, each after `latency_s`. Everything that came is in `came`."""

    def __init__(self, per_s: int, latency_s: float, *, retry_after_s: int | None = None) -> None:
        self.per_s, self._latency_s, self.retry_after_s = per_s, latency_s, retry_after_s
        self.came: list[Came] = []
        self.url = ""
        self._answered: deque[float] = deque()
        self._has_come = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[Narrow]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1_000)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    def count(self, name: str, first_s: float, last_s: float, *, is_answered: bool = True) -> int:
        """How many requests of a process came in that time, and were answered or not."""
        return sum(
            each.name == name and each.is_answered == is_answered and first_s <= each.at_s < last_s
            for each in self.came
        )

    async def until(self, holds: Callable[[Came], bool], *, within_s: float) -> Came:
        """The next request that this is true of."""
        async with asyncio.timeout(within_s):
            seen = len(self.came)
            while True:
                for came in self.came[seen:]:
                    seen += 1
                    if holds(came):
                        return came
                self._has_come.clear()
                await self._has_come.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(found[1]) if found else 0)
                writer.write(await self._answer(body))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    async def _answer(self, body: bytes) -> bytes:
        now_s = asyncio.get_running_loop().time()
        while self._answered and self._answered[0] <= now_s - 1.0:
            self._answered.popleft()
        is_answered = len(self._answered) < self.per_s
        name = re.search(rb"I am (\w+)", body)
        assert name is not None
        self.came.append(Came(now_s, name[1].decode(), is_answered))
        self._has_come.set()
        if not is_answered:
            asked = "" if self.retry_after_s is None else f"retry-after: {self.retry_after_s}\r\n"
            text = '{"error": {"message": "Too many requests."}}'
            return f"HTTP/1.1 429 X\r\n{asked}content-length: {len(text)}\r\n\r\n{text}".encode()
        self._answered.append(now_s)
        await asyncio.sleep(self._latency_s)
        return f"HTTP/1.1 200 OK\r\n{OK[1]}\r\ncontent-length: {len(OK[2])}\r\n\r\n{OK[2]}".encode()
