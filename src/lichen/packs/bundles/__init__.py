"""Bundles: folders, or SquashFS files, that carry packs with the tenants, rules and answers they are served with.

Others take `open_bundle`, `examined` for all that is wrong with one, and `built`.
"""
