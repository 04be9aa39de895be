"""Where each setting comes from: a default, a line of `lichen.toml`, a variable, or an option of the command.

Others take `origins` and `Origin`.
"""
