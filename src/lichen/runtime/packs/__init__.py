"""Packs that a project names: proven, trusted in each of its environments, and taken apart into flows and agents.

Others take `open_pack` for one of them, `Opened`, `agents_of`, and `component_tools_of`.
"""
