"""Channels set up from the terminal: what is asked, where the answers go, and what the platform is told.

Others take `found_in`, what is wrong with those of a project; tests take `checked`, `replace` and `with_table`.
"""
