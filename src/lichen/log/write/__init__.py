"""The way of an append to the disk.

Others take `Staging`, `Writer` and `Store`: the three steps to the disk.
"""
