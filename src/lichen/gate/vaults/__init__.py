"""Secrets of other people's stores: Vault, AWS, Azure and Google, read at each use and kept no longer than is said.

Others take `Vaults`, which makes the sources of these kinds, and `KINDS`, their names.
"""
