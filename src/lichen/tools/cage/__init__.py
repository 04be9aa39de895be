"""Processes that the kernel shuts in: they have what they are granted, and nothing else of the machine.

Others take `Cages`, which knows what works here, `run` for one command, and `Command` and `Cage` of the port.
"""
