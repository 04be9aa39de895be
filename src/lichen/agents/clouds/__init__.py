"""Where providers are and what clouds know us by, found without any library of theirs.

Others take `host_of` and `home_of`, `found`, and `EntraTokens` of an application.
"""
