"""Webex: messages and cards of a bot, in direct and group rooms, files both ways.

Others take `WebexChannel` and `WebexSettings`.
"""
