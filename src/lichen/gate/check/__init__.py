"""One question to the gate: its facts, meters and conditions.

Others take `Question`, which is one check from beginning to end, and `read_facts`.
"""
