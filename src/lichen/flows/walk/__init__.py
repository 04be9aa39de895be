"""The planner that walks a graph.

Others take `FlowPlanner`.
"""
