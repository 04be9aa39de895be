"""The sources of components: begun from a template, built with tools that are pinned, and compared with what was built.

Others take `build`, `differences` and `begun`.
"""
