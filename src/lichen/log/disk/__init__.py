"""Files and locks: bytes that stay where they were put.

Others take `Blobs` for what is too large for a record, and `DirectoryLock`.
"""
