"""The store of a data directory, one SQLite file: all SQL of a log but that of its audits.

Others take `SqliteStore`, and `connect` where they audit such a file.
"""
