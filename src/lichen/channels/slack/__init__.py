"""Slack: messages and mentions, threads, buttons, forms as modals, slash commands, files, over an app of the workspace.

Others take `SlackChannel` and `SlackSettings`.
"""
