"""Who may: asked of the table, the owner and the gate, and what is written down of it.

Others take `Access` and `About`, what is asked for, and `Register` for what is open in whose name.
"""
