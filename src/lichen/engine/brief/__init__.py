"""What a planner is told.

Others take `plan_input`, and `terms_of` for what a call stands under.
"""
