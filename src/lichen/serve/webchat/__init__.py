"""The doors of WebChat: tokens, conversations, activities by HTTP, and the stream by WebSocket (Direct Line 3.0).

Others take `Chats`, `webchat_routes` over them, and the `Shortcut` of what is said.
"""

from lichen.serve.webchat.chat import Chats
from lichen.serve.webchat.routes import webchat_routes
from lichen.serve.webchat.short import Shortcut

__all__ = ["Chats", "Shortcut", "webchat_routes"]
