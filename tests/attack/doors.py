"""Half heads, bodies that never end, idle sockets and floods from one address, while others want to be served."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from lichen.serve.listen.proxies import Proxies
from lichen.serve.listen.tcp import Bounds, listening
from lichen.serve.site import make_site
from tests.attack.section import Outcome, Size
from tests.attack.shop import PEOPLE, key_of, open_shop

BOUNDS = Bounds(connections_max=60, connections_each_max=30, sockets_max=40, sockets_each_max=10, head_s=5.0)
MOST_SOCKETS = BOUNDS.sockets_each_max
SERVED_S = 5.0  # within which others are answered, on a slow machine
CHAT = "/v1/messaging/webchat"


class Port(NamedTuple):
    """Where the attack goes, and the key of an operator who works meanwhile."""

    number: int
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.number}"


Flood = Callable[[Port, int, AsyncExitStack], Awaitable[int]]


def attack(size: Size, chance: random.Random, folder: Path) -> Outcome:
    """Holds the port in every way, and asks in the meantime whether it is alive and serves."""
    return asyncio.run(_attack(100 if size == "small" else 2_000, folder))


async def _attack(count: int, folder: Path) -> Outcome:
    found, told, slowest = list[str](), list[str](), 0.0
    async with asyncio.timeout(600), open_shop(folder) as runtime:
        key = await key_of(runtime, *PEOPLE["an operator"])
        async with listening(make_site(runtime), "127.0.0.1", 0, bounds=BOUNDS, proxies=Proxies()) as number:
            port = Port(number, key)
            for name, flood in FLOODS.items():
                async with AsyncExitStack() as stack:
                    try:
                        told.append(f"{await flood(port, count, stack)} {name}")
                    except AssertionError as error:
                        found.append(f"{name}: {error}")
                    slowest = max(slowest, await _served(port, name, found))
    return Outcome(f"{', '.join(told)}; health and an operator answered each time, within {slowest:.2f} s", found)


async def _served(port: Port, name: str, found: list[str]) -> float:
    """Whether health and an operator are answered now. Returns how long they took."""
    began = time.monotonic()
    for path in ("/healthz", "/readyz", "/api/v1/approvals"):
        try:
            async with httpx.AsyncClient(base_url=port.url, timeout=SERVED_S) as client:
                answer = await client.get(path, headers={"authorization": f"Bearer {port.key}"})
            if answer.status_code != 200:
                found.append(f"during {name}: {path} is {answer.status_code}")
        except httpx.HTTPError as error:
            found.append(f"during {name}: {path}: {type(error).__name__}")
    return time.monotonic() - began


# -- floods ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _connection(port: Port) -> AsyncGenerator[asyncio.StreamWriter]:
    _, writer = await asyncio.open_connection("127.0.0.1", port.number)
    try:
        yield writer
    finally:
        writer.close()


async def _half(port: Port, count: int, stack: AsyncExitStack, begun: bytes) -> int:
    for _ in range(count):
        writer = await stack.enter_async_context(_connection(port))
        writer.write(begun)
    await asyncio.sleep(0.05)
    return count


async def heads(port: Port, count: int, stack: AsyncExitStack) -> int:
    """Requests that begin and never come to their end."""
    return await _half(port, count, stack, b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ")


async def bodies(port: Port, count: int, stack: AsyncExitStack) -> int:
    """Bodies of which only the first byte comes."""
    begun = b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\nk"
    return await _half(port, count, stack, begun)


async def silence(port: Port, count: int, stack: AsyncExitStack) -> int:
    """Connections on which nothing is said."""
    return await _half(port, count, stack, b"")


async def polls(port: Port, count: int, stack: AsyncExitStack) -> int:
    """Requests of a stranger with a key that wait as long as they may."""
    head = f"GET /api/v1/log/records?after=1000000&wait_s=60 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {port.key}"
    return await _half(port, min(count, BOUNDS.connections_each_max - 1), stack, f"{head}\r\n\r\n".encode())


async def sockets(port: Port, count: int, stack: AsyncExitStack) -> int:
    """Web sockets of anonymous tokens, opened until no more are."""
    opened = 0
    async with httpx.AsyncClient(base_url=port.url) as client:
        for _ in range(min(count, 4 * MOST_SOCKETS)):
            given = (await client.post(f"{CHAT}/acme/tokens/generate", json={})).json()
            headers = {"authorization": f"Bearer {given.get('token', '')}"}
            made = await client.post(f"{CHAT}/acme/v3/directline/conversations", headers=headers)
            if made.status_code != 201:
                break
            try:
                url = made.json()["streamUrl"]
                await stack.enter_async_context(connect(url))
                opened += 1
            except (InvalidStatus, WebSocketException, OSError):
                continue
    assert opened <= MOST_SOCKETS, f"{opened} sockets of one address are open"
    return opened


async def guesses(port: Port, count: int, stack: AsyncExitStack) -> int:
    """Keys that are guessed from ever new addresses, as the guesser says."""
    told = dict[int, int]()
    async with httpx.AsyncClient(base_url=port.url) as client:
        for i in range(count):
            headers = {
                "authorization": f"Bearer lk_{i:08x}_{'A' * 43}",
                "x-forwarded-for": f"198.51.{i >> 8}.{i & 255}",
            }
            status = (await client.get("/api/v1/runs", headers=headers)).status_code
            told[status] = told.get(status, 0) + 1
    assert set(told) == {401, 429}, told
    return count


FLOODS: dict[str, Flood] = {
    "half heads": heads,
    "endless bodies": bodies,
    "silent connections": silence,
    "long polls": polls,
    "web sockets": sockets,
    "guessed keys": guesses,
}
