"""A store in memory, a disk that fails, and what every store and every view must do.

Others take `MemoryStore` and `Disk`, or subclass `StoreConformance`, `StateConformance` and
`ProjectionConformance`.
"""
