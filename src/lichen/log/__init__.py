"""Append, prove, read: one chained record of everything that happened."""
