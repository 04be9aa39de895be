"""What people and programs wrote, read as values: numbers with their currencies, and the place of what does not fit.

Others take `numbers`, and `only_number` and `number_at` for a text or a match that is to be one, `misfit`,
and `read_as` for the bodies of requests.
"""
