"""Whose tokens say for which tenant a webhook is: what `[[issuer]]` of the settings says, and what is wrong with it.

Others take `IssuerTable`.
"""
