"""How a run changes by each of its records, a file for what they are about.

Others take the tables `FOLDS`, which `run.evolve` looks into.
"""
