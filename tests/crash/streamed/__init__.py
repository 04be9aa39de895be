"""A conversation of two agents whose models stream, killed at every step: what became of its requests, and of money."""
