"""WhatsApp over Meta's Cloud API: messages, buttons, lists, files, templates beyond the 24-hour window.

Others take `WhatsAppChannel` and `WhatsAppSettings`.
"""
