"""`lichen pack`: packs made, built, signed, verified, looked at, published and fetched.

Works on files and registries, and on `lichen.toml` for whom it trusts and what it names.

`cli/tree.py` names its commands; others take nothing.
"""
