"""Keys in a file of their own, and what an erasure destroys."""
