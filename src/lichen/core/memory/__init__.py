"""What happened before, as planners and agents read it.

Others take `Memory`, which is asked, `MemoryEvent`, which it gives, and `Recall`, how much an agent is given of it.
"""
