"""The planner that follows a rule table.

Others take `RulePlanner` and what its rules are written with: `Intent`, `Slot`, `Call`, `Answer`, `When`.
"""
