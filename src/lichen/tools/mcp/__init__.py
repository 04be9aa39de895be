"""Tools of other people's MCP servers: how they are reached, what they say of themselves, and what a call brings.

Others take `Connection`, `Definition` and `RemoteTool`.
"""
