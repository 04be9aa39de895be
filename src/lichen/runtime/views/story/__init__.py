"""What became of a run, in words: told from its records, whole or in a line.

Others take `story` and `brief`, and the values `Story`, `Call` and `Person`.
"""
