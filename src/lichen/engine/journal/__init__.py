"""A log as the engine uses it: states, tails, and who is told."""
