"""The operator's console: pages over the runtime, each with a `.json` twin made from the same view.

Others take `console_routes`.
"""

from lichen.serve.console.routes import console_routes

__all__ = ["console_routes"]
