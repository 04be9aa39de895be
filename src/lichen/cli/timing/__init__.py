"""`lichen schedules`: what begins by itself.

`cli/tree.py` names its commands; others take nothing.
"""
