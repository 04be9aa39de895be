"""Microsoft Graph, for whoever sends by it: a token of its own, and mails handed over.

Others take `Graph` and `Account`.
"""
