"""Our own pages for customers: a chat that speaks to the web chat's door."""

from lichen.serve.pages.chat import chat_routes

__all__ = ["chat_routes"]
