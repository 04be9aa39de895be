"""Flows played: by themselves, with stand-ins for what their nodes are about, or in their project; and their tests.

Others take `flows_tried` and `played`.
"""
