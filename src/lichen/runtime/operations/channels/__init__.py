"""The channels of a tenant as whoever looks after them sees and sets them up.

Others take `Platforms`.
"""
