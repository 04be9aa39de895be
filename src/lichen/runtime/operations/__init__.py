"""What may be asked of a runtime. Every operation names a scope and an actor, and asks `Access` before anything else.

Doors translate; they decide nothing. Others take the operations from a `Runtime`, and the values that they return.
"""
