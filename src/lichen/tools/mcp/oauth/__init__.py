"""Signing in where an MCP server wants that: once, by a person or as ourselves, and with what was issued from then on.

Others take `sign_in`, `Bearer` and `Tokens`.
"""
