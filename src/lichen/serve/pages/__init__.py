"""Our own pages for customers: a chat that speaks to the web chat's door.

Others take `chat_routes`.
"""

from lichen.serve.pages.chat import chat_routes

__all__ = ["chat_routes"]
