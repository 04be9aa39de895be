"""One conversation, as its customer, its channel and its operators have it.

Others take `Sessions`, which gives a `Session`, and what that gives: `Turn`, `Outgoing`, `Conversation`.
"""
