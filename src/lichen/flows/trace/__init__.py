"""A run of a flow, node by node, as a file: what each was given and gave, and the same run walked again.

Others take `Trace`, `read_trace`, `traced` and `replayed`.
"""
