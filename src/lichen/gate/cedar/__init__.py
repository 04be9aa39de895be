"""The policy language; it knows nothing of Lichen.

Others take `policyset`, which compiles policies, and the values they see: `Value`, `Entity`.
"""
