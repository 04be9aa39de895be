"""Command-line programs as tools: what a ToolClad manifest says of one, which words make its command, what it said.

Others take `command_tool` and `manifest_tool`.
"""
