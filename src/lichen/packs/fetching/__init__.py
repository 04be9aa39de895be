"""Packs and components from OCI registries: named, fetched, checked by their digests, and kept for the next start.

Others take `fetched` for what a `Reference` names, `pushed` to publish, `Terms` for how, and the `Cache`. A registry is
nobody's word: whether a pack is believed is asked of what came as of any file.
"""
