"""Running guests: compiled once, a fresh store and instance for each call, bounded, stopped, and gone afterwards.

Others take `Program` and `compiled`.
"""
