"""Packs: files that carry flows, agents, components, policies and words from who wrote them to who runs them.

Nothing in one is believed before it is proven: its container, its manifest, its bill of materials, who signed it.
"""
