"""A server that says whose token a request has: `python mine.py PORT`."""

from __future__ import annotations

import sys
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("mine")


@server.tool()
async def whose(ctx: Context[Any, Any]) -> str:
    """Says whose the request is."""
    request = ctx.request_context.request
    assert request is not None
    return request.headers.get("authorization", "nobody's")


server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
