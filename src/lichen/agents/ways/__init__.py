"""How a model is reached that may be busy, slow or away: tried again, in turn with others, or by another one.

Others take `Ways`, which a runtime has one of, and `several`, the model that a planner's several models are.
"""
