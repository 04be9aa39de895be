"""What a log needs of whatever it is stored in: tables as values, and the port.

Others take `Store`, the port, and `rows` to say what they want to read.
"""
