"""A file that answers are added to, a line for each: for what nobody chats with.

Others take `FileChannel` and `FileSettings`.
"""
