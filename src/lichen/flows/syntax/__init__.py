"""What a flow file says, with the place of each word.

Others take `Document` and `Report`, and the words a node is written with, such as `EXEC`.
"""
