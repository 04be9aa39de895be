"""What leaves a run, and what policy says of it."""
