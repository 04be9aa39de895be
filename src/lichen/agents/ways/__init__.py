"""How a model is reached that may be busy, slow or away: tried again, and in turn with others.

Others take `Ways`, which a runtime has one of.
"""
