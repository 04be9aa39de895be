"""Commands about logs as files.

Others take nothing but `read`: `cli/tree.py` names its commands.
"""
