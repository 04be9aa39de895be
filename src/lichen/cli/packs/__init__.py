"""`lichen pack`: packs made, built, signed, verified and looked at.

Works on files, and on `lichen.toml` for whom it trusts.

`cli/tree.py` names its commands; others take nothing.
"""
