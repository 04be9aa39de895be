"""Somebody's own code as a planner: run again from the start for every plan, with what it was told served from the log.

Others take `ReplayPlanner`, and `Chat`, which the code is given.
"""
