"""What else than a command a manifest may stand for: an HTTP request, or a tool of an MCP server.

Others take `HttpTool`, `ServerTool` and `Passing`.
"""
