"""Packs that a project names: proven, trusted in each of its environments, taken apart into flows, agents, components.

Others take `open_pack` for one of them, `Opened`, `agents_of`, and `component_tools_of`.
"""
