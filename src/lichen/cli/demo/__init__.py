"""The demo and its story.

Others take nothing: `cli/tree.py` names its command.
"""
