"""One record: its bytes, its sealed contents, and who its pseudonyms are.

Others take `Record`, and `Sealer` for its contents.
"""
