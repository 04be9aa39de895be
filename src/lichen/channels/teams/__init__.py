"""Microsoft Teams over the Bot Connector: messages, Adaptive Cards, files, threads, people in groups and channels.

Others take `TeamsChannel` and `TeamsSettings`.
"""
