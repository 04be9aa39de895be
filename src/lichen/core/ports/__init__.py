"""What a tool, a planner and the gate are asked and answer."""
