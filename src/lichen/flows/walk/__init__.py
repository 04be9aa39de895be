"""The planner that walks a graph."""
