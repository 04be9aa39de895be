"""From a file to the intermediate form, with everything that is wrong with it.

Others take `load`, and `parse`, `diagnose` and `graph_of` for a file that may be wrong.
"""
