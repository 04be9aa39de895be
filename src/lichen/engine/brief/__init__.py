"""What a planner is told."""
