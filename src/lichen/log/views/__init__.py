"""Rows and states that follow from the records.

Others take `Queries`, and the rows it gives, such as `StreamRow`.
"""
