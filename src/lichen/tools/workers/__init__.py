"""Threads and processes that calls run in, and the places there are.

Others take `Workers`, and `StillRunning` for what could not be ended.
"""
