"""Other people's servers: what a project says of one, and what an agent and a scope have of them.

Others take `RemoteTools`, `Remote` and `Server`.
"""
