"""`lichen letters`: messages that got stuck on their way in or out.

`cli/tree.py` names its commands; others take nothing.
"""
