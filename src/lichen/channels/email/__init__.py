"""E-mail: sent over SMTP, read from an IMAP mailbox or taken as raw mail by webhook, with threads as conversations.

Others take `EmailChannel` and `EmailSettings`.
"""
