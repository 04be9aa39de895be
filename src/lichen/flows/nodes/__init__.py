"""What a node of each kind does."""
