"""Templates, expressions and paths in texts."""
