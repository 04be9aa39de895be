"""Files, locks and SQLite: bytes that stay where they were put.

Others take `connect` and `Reader` for a database, `Blobs` for what is too large for one, and `DirectoryLock`.
"""
