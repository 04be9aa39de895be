"""What people wrote, read as values: numbers with their currencies.

Others take `numbers`, and `only_number` and `number_at` for a text or a match that is to be one.
"""
