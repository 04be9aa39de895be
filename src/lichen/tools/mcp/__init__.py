"""Tools of other people's MCP servers: how they are reached, what they say of themselves, and what a call brings.

Others take `Server`, `Connection`, `Definition` and `RemoteTool`.
"""
