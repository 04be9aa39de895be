"""What MCP clients read: resources and prompts, what of them is let be read, and what is told when one changes.

Others take `Resources`, `Prompts` and `Subscriptions`.
"""

from __future__ import annotations

from lichen.serve.mcp.reading.prompts import Prompts
from lichen.serve.mcp.reading.resources import Resources
from lichen.serve.mcp.reading.subscriptions import Subscriptions

__all__ = ["Prompts", "Resources", "Subscriptions"]
