"""A server that says whose token a request has, or which process it is: `python mine.py [PORT]`."""

from __future__ import annotations

import os
import sys
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("mine")


@server.tool()
async def whose(ctx: Context[Any, Any]) -> str:
    """Says whose the request is."""
    request = ctx.request_context.request
    return f"process {os.getpid()}" if request is None else request.headers.get("authorization", "nobody's")


if len(sys.argv) > 1:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
else:
    server.run("stdio")
