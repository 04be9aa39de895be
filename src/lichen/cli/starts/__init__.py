"""What stands for a project where there is no `lichen.toml`: a bundle, or the file that starts a demo.

Others take `said_in`, `started`, and `ready`.
"""
