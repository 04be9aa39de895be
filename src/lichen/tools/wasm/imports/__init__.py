"""What guests may ask of us: a module for each interface that we answer. What is not granted is refused as data.

Others take `ANSWERS` and `HostCall`.
"""
