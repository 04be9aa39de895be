"""What governs a tenant, and whoever may changes: its keys, secrets, policies, stops, and what is hosted for it.

Others take the operations (`Keys`, `Secrets`, `Policies`, `Stops`, `Reload`); each change is a record of the tenant's
own stream.
"""
