"""Rows and states that follow from the records."""
