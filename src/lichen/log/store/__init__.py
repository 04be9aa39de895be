"""What a log needs of whatever it is stored in: tables as values, and the port.

Others take `Store` from `port`, and `rows` from `selection` to say what they want to read.
"""
