"""Models by name, and those that need no provider."""
