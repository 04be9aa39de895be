"""The records, and the pure functions that fold them and say what is owed.

Others take the modules `events`, `run` with its `moves`, `mailbox` with its `talk`, and `streams`, which asks whichever
of them a stream is about.
"""
