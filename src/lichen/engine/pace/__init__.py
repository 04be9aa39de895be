"""Whose turn it is, what comes due, what streams.

Others take `Turns`, `Wheel` and `Deltas`, which an engine is made of, and `race` for the first of several.
"""
