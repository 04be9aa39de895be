"""What may be asked of a runtime. Every operation names a scope and an actor, and asks `Access` before anything else.

Doors translate; they decide nothing. Others take the operations from a runtime; from here the handles and values
they return, such as `Session` and `Health`.
"""
