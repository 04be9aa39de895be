"""What a project says of packs: whom it trusts, where, and what it never loads.

Others take `PackFile`, `PacksTable` and `TrustTable`, and `unknown_in`.
"""
