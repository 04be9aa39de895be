"""What governs a tenant, and whoever may changes: its keys, policies, kill switches, and what is hosted for it.

Others take the operations (`Keys`, `Policies`, `Stops`, `Reload`); each change is a record of the tenant's own stream.
"""
