"""The way of an append to the store.

Others take `Staging`, `Shared` and `Commits`: the three steps to the store.
"""
