"""The policy language; it knows nothing of Lichen."""
