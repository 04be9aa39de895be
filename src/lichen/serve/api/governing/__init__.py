"""The routes of what governs a tenant and whoever may changes: its keys, its policies, its secrets, what
servers offer it, what begins by itself, the
channels it is on, and what its evals came to.

Others take `ROUTES`.
"""

from __future__ import annotations

from lichen.serve.api.governing import channels, evals, keys, policies, schedules, secrets, tools
from lichen.serve.api.route import ApiRoute

ROUTES: tuple[ApiRoute, ...] = (
    *policies.ROUTES,
    *keys.ROUTES,
    *secrets.ROUTES,
    *tools.ROUTES,
    *schedules.ROUTES,
    *channels.ROUTES,
    *evals.ROUTES,
)

__all__ = ["ROUTES"]
