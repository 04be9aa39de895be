"""Code of strangers that is run: what it may have of this machine, and how well it has to be shut in.

Others take `Grant`, `Tier`, and `CageTerms` for what a project says of them.
"""
