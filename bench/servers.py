"""What a call of a server's tool costs: over the bare SDK, and as an agent makes it, who looks first whether the tool
is as it was pinned. Both ask the same kind of process, in turns.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.metadata import version

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from bench.figure import ROOT, ROUNDS, Figure
from lichen.core.ports.call import CallMeta
from lichen.core.remote.server import Server
from lichen.core.words.ids import CallId, RunId, ToolName
from lichen.core.words.scope import Actor, Scope
from lichen.tools.mcp.connection import Connection
from lichen.tools.mcp.definition import Definition, spec_of
from lichen.tools.mcp.remote_tool import RemoteTool

CALLS = 200
SERVER = str(ROOT / "bench" / "own" / "server.py")
NAME = ToolName("echo.say")
META = CallMeta(
    Scope("acme", "dev"), Actor("agent", "shop.clerk"), RunId("run-1"), CallId("c1"), None, "key-1", 1, 60.0
)

Call = Callable[[], Awaitable[object]]


def figures(rounds: int = ROUNDS, calls: int = CALLS) -> list[Figure]:
    """Two: a call, and how much of it is the look at the pin."""
    return asyncio.run(_measured(rounds, calls))


async def _measured(rounds: int, calls: int) -> list[Figure]:
    own: list[float] = []
    bare: list[float] = []
    pins: list[float] = []
    async with AsyncExitStack() as stack:
        call, look = await ours(stack)
        ask = await _bare(stack)
        for _ in range(rounds):
            own.append(await _us(call, calls))
            bare.append(await _us(ask, calls))
            pins.append(await _us(look, calls))
    figure = Figure("server call", "a call of a server's tool on stdio, p50", statistics.median(own), "us", "lower")
    pin = Figure(
        "pin check", "of it the look whether the tool is as it was pinned", statistics.median(pins), "us", "lower"
    )
    return [figure.beside("the bare SDK", version("mcp"), statistics.median(bare)), pin]


async def _us(call: Call, calls: int) -> float:
    """The median of so many, one after the other."""
    times: list[float] = []
    for _ in range(calls):
        began = time.perf_counter()
        await call()
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1e6, 1)


async def ours(stack: AsyncExitStack) -> tuple[Call, Call]:
    """A call of the tool, and the look at its pin alone."""

    async def reveal(name: str) -> str:
        raise LookupError(name)

    async def changed(scope: Scope, definition: Definition) -> None:
        raise RuntimeError("the tool changed")

    connection = Connection(Server("echo", command=(sys.executable, SERVER)), reveal, time.monotonic)
    stack.push_async_callback(connection.close)
    definition = (await connection.offered()).tools[NAME]
    tool = RemoteTool(spec_of(connection.server, definition), definition, connection, changed)

    async def call() -> object:
        return await tool.execute(tool.decode(b'{"text":"hello"}'), META)

    async def look() -> object:
        found = await connection.definition(NAME)
        assert found is not None
        return found.digest == definition.digest

    return call, look


async def _bare(stack: AsyncExitStack) -> Call:
    parameters = StdioServerParameters(command=sys.executable, args=[SERVER])
    client = await stack.enter_async_context(Client(stdio_client(parameters)))

    async def ask() -> object:
        return await client.call_tool("say", {"text": "hello"})

    return ask
