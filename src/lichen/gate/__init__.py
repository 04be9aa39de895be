"""Who are you, may you, and under which conditions."""
