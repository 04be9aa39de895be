"""A tenant's policy files: read, bounded, checked against the schema.

Others take `load_policies` and the `PolicySet` it gives, and `may` for what a kind of actor may ask at all.
"""
