"""Telegram over its Bot API: chats, groups and topics, keyboards, files both ways.

Others take `TelegramChannel` and `TelegramSettings`.
"""
