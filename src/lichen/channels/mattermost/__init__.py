"""Mattermost: outgoing webhooks, slash commands and buttons in, posts over its REST API out.

Others take `MattermostChannel` and `MattermostSettings`.
"""
