"""Pictures of a flow.

Others take `mermaid` and `svg`.
"""
