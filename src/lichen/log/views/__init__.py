"""What is read of a log: streams in memory, records and rows from its store.

Others take `Queries`, and `refolded` for views made anew.
"""
