"""A folder as a pack: the same folder gives the same bytes, and what is built passes our own strict checks.

Others take `read_folder`, `build`, and `signed_pack` for a pack with a signature in it.
"""
