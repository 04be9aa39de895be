"""The records, and the pure functions that fold them and say what is owed.

Others take the modules `events`, `run`, `mailbox` and `moves`, and `streams` for a stream of any kind.
"""
