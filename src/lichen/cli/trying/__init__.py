"""Commands that try what is here before anybody depends on it: settings, policies, flows and evals.

Others take nothing: `cli/tree.py` names its commands.
"""
