"""Lichen as an MCP server: a tenant's agents as tools of whoever speaks the Model Context Protocol, as who they are.

Others take `mcp_routes`, for strangers on the port, and `pipe_routes`, for `lichen mcp` on the owner's socket.
"""

from __future__ import annotations

from lichen.serve.mcp.routes import PATH, mcp_routes, pipe_routes

__all__ = ["PATH", "mcp_routes", "pipe_routes"]
