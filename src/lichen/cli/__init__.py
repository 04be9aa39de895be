"""Thin commands over the runtime."""
