"""Revisions of packs: which a scope has of each, how they share its conversations, and which one a conversation has.

Others take `Rollout` and the module `rollout`.
"""
