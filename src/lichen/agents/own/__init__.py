"""Agents that are written elsewhere: functions, and agents of other frameworks.

Others take `agent_function`.
"""
