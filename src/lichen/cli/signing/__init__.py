"""`lichen schemapin`, `lichen skill`, `lichen agentpin`: keys, signatures, and looking at those of others.

Works on files and addresses alone. `cli/tree.py` names its commands; others take nothing.
"""
