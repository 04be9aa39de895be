"""The planner that asks a model: what a model is told, how much of it, and what its reply becomes.

Others take `LLMPlanner`, and what it is made with: `Prompt`, `Reminder`, `RunFacts`.
"""
