"""What governs a tenant, page by page: its policies, the keys of its API, what its meters have counted.

Others take the pages' views and acts from `policies`, `keys` and `meters`.
"""
