"""Our client as the official conformance suite runs it: `python conformant.py URL` connects, lists, and calls each tool
with ones; whoever is asked accepts what is proposed, and whoever is to sign in opens the address."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import httpx
import msgspec

from lichen.core.ports.call import GivenAnswer, NeedsAnswer
from lichen.core.remote.server import OAuth, Server
from lichen.tools.mcp.connection import Connection
from lichen.tools.mcp.oauth.signin import sign_in
from tests.tools.mcp.oauth.memory import Memory
from tests.tools.mcp.test_connection import meta, tool_of

CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")


async def opened(address: str) -> None:
    """Opens an address as a browser does, and comes back to where it leads."""
    async with httpx.AsyncClient(follow_redirects=True, timeout=20) as browser:
        await browser.get(address)


async def issuer_of(url: str) -> str:
    """The authorization server of a server, as whoever configures it knows."""
    origin, _, path = url.partition("/mcp")
    async with httpx.AsyncClient(timeout=20) as client:
        said = await client.get(f"{origin}/.well-known/oauth-protected-resource/mcp{path}")
    return said.json()["authorization_servers"][0]


async def oauth(url: str) -> OAuth | None:
    """How it signs in, as the scenario says."""
    if not SCENARIO.startswith("auth/"):
        return None
    id = CONTEXT.get("client_id", "")
    if "client-credentials" in SCENARIO:
        return OAuth("client_credentials", id, "secret", issuer=await issuer_of(url))
    return OAuth(client_id=id, scopes=tuple(CONTEXT.get("scopes", ())))


async def main(url: str) -> None:
    async def reveal(name: str) -> str:
        return CONTEXT.get("client_secret", name)

    server = Server("strange", url=url, asks=("form",), oauth=await oauth(url))
    tokens = Memory()
    if server.oauth is not None and server.oauth.grant == "code":
        secret = CONTEXT.get("client_secret", "")
        await tokens.keep(
            msgspec.json.encode(await sign_in(server, open_later, client_secret=secret, now_s=tokens.now_s))
        )
    connection = Connection(server, reveal, asyncio.get_running_loop().time, tokens)
    try:
        for name in (await connection.offered()).tools:
            tool = await tool_of(connection, name.partition(".")[2])
            args = tool.decode(msgspec.json.encode(dict.fromkeys(tool.spec.input_schema.get("properties", {}), 1)))
            try:
                await tool.execute(args, meta())
            except NeedsAnswer as asked:
                accepted = GivenAnswer("answered", state=asked.state)
                await tool.execute(args, msgspec.structs.replace(meta(), answer=accepted))
    finally:
        await connection.close()


_under_way: set[asyncio.Task[None]] = set()


async def open_later(address: str) -> None:
    """Opens it while whoever shows it waits for the answer."""
    task = asyncio.ensure_future(opened(address))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
