"""Keys in a file of their own, and what an erasure destroys.

Others take `Keyring`, and `ApiKey` for what it knows of one.
"""
