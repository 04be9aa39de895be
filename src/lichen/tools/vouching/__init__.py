"""Whose key signed a tool of somebody else's server, and whether that key still counts.

Others take `Signature`, `Vouched` and `issuer_of`.
"""
