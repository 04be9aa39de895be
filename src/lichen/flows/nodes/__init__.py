"""What a node of each kind does.

Others take `kind_of`, the behaviour of a node, and the steps it answers with, such as `Failed` and `Wait`.
"""
