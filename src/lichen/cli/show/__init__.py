"""What the terminal shows.

Others take `Screen`, and the functions that draw one kind of thing on it.
"""
