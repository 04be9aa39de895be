"""Other people's MCP servers, for every scope: what was accepted of them, what they say now, and how they are reached.

Others take `Servers`, `Suspicions` for whoever judges, and `Vouching`, with `https`, for what domains sign.
"""
