"""The planner that asks a model.

Others take `LLMPlanner`.
"""
