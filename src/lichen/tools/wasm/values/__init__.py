"""Values that cross between a guest and us: their canonical Python form, and how they get into it and out of it.

Others take `planned` and `Unfit`.
"""
