"""Agents that are written elsewhere: functions, and agents of other frameworks.

Others take `agent_function`, what is said of an adopted agent, `Terms` and `Caller`, and `current_call`.
"""
