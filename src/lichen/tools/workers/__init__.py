"""Threads and processes that calls run in, and the places there are."""
