"""Where each setting comes from: a default, a line of a file, a variable, or an option of the command.

Others take `origins` and `Origin`.
"""
