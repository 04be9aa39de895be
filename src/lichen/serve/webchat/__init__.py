"""The doors of WebChat: tokens, conversations, activities by HTTP, and the stream by WebSocket (Direct Line 3.0).

Others take `webchat_routes`.
"""

from lichen.serve.webchat.routes import webchat_routes

__all__ = ["webchat_routes"]
