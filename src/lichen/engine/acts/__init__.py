"""The obligations, one file for each kind: what is owed is performed here, on an `Act`, and becomes records.

Others take the function of each obligation, and how any run begins: `acting`, `pins`, `start_draft`.
"""
