"""A platform that is nowhere: messages are posted to it by hand, and what it is sent lies in its memory.

Others take `DummyChannel`.
"""
