"""What a server offers beside its tools, as tools of it: its resources.

Others take `resource_tools`.
"""
