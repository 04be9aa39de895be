"""A log as the engine uses it: states, tails, and who is told.

Others take `Journal`, and the records that reach a whole tree of runs: `cancel_tree`, `halt_tree`, `resume_tree`.
"""
