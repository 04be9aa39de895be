"""What may be asked of a runtime. Every operation names a scope and an actor, and asks `Access` before anything else.

Doors translate; they decide nothing. Others take `Operations`, and the values that the rooms return.
"""
