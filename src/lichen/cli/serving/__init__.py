"""Commands that run a process, or prepare to.

`cli/tree.py` names its commands; others take `demo_files`.
"""
