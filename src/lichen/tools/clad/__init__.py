"""What a ToolClad manifest stands for as a tool: a command, a request, a tool of a server, a program that goes on.

Others take `command_tool`, `session_tools` and `manifest_tools`.
"""
