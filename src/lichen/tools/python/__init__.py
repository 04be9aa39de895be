"""Typed Python functions as tools.

Others take `tool`, the decorator, and `PythonTool`, which it makes.
"""
