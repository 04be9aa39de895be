"""The ABI families of components: each module is an adapter that implements `Family`, and knows no other.

Others take `spoken` of the table.
"""
