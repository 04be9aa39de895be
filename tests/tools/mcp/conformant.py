"""Our client as the official conformance suite runs it: `python conformant.py URL` connects, lists, and calls each tool
with ones; whoever is asked accepts what is proposed."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from lichen.core.ports.call import GivenAnswer, NeedsAnswer
from lichen.core.remote.server import Server
from lichen.tools.mcp.connection import Connection
from tests.tools.mcp.test_connection import meta, tool_of


async def main(url: str) -> None:
    async def reveal(name: str) -> str:
        return name

    server = Server("strange", url=url, asks=("form",))
    connection = Connection(server, reveal, asyncio.get_running_loop().time)
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


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
