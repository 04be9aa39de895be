"""Turns obligations into records."""
