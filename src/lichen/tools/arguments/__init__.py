"""JSON of strangers becomes typed arguments, or issues with their places.

Others take `ArgumentCodec` and `ResultCodec`.
"""
