"""How a run changes by each of its records, a file for what they are about.

Others take the modules `runs`, `plans`, `calls`, `waits` and `timers`, each for its table of folds.
"""
