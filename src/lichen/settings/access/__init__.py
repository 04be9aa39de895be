"""Which files say what a tenant's customers and its teams may come to: `access` and `teams` of `[tenants.NAME]`.

Others take `Team`, `AccessFiles` and `files_in`.
"""
