"""What a server offers beside its tools, as tools of it: its resources and prompts.

Others take `resource_tools` and `prompt_tools`.
"""
