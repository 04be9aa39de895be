"""JSON of strangers becomes typed arguments, or issues with their places."""
