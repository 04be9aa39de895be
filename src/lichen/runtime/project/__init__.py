"""What a project hosts: what its `lichen.toml` names, found, loaded and checked, and its versions.

Others take `Project` and `load`, and `Catalog` and `InForce`, which a runtime keeps of it.
"""
