"""Commands about what goes on.

`cli/tree.py` names its commands; others take `Kind`, a kind of thing that can be stopped, and `Chat`.
"""
