"""Regular expressions that cannot run away.

Others take `compiled`, and `PatternError` for what could run away.
"""
