"""What leaves a run, and what policy says of it.

Others take `ruled` and `announced`, which ask the gate for what a session is sent, and `opener` for in whose name.
"""
