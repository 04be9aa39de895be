"""Whole logs: verified, exported, backed up.

Others take `verify`, `export` and `backup`.
"""
