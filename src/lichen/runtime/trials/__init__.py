"""What came of evals, as it is kept in the data directory: a file for each time that a suite was held.

Others take `Keeper`, which writes one while it is held, `Kept`, which reads them, values such as `Trial`, and the
views.
"""
