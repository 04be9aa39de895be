"""WASM components: what one says that it wants and offers, and how much of the machine a call of one may use.

Others take `Operation` and `Capabilities`.
"""
