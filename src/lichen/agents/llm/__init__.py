"""The planner that asks a model."""
