"""The one door of all channels that packages bring: what their platforms post, and what they fetch themselves.

Others take `hook_routes`, and `ChannelSources` for a host.
"""

from lichen.serve.hooks.routes import hook_routes

__all__ = ["hook_routes"]
