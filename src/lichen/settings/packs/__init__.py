"""What a project says of packs: whom it trusts, where, and what it never loads.

Others take `PacksTable` and `TrustTable`, and `unknown_in`.
"""
