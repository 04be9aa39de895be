"""Whose turn it is, what comes due, what streams."""
