"""Which files say what a tenant's customers and its teams may come to: `access` and `team` of `[tenants.NAME]`.

Others take `Team`, `AccessFiles` and `files_in`.
"""
