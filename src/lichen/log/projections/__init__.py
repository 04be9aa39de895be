"""Views of the log, each one value in one file: its table, its fold, how it is read, and its check.

Others take `PROJECTIONS`, the list of them, and the rows they read, such as `StreamRow`.
"""
