"""Version 1 of the HTTP API: the table of its routes.

Others take `ROUTES`.
"""

from __future__ import annotations

from lichen.serve.api import (
    agents,
    approvals,
    events,
    governing,
    handovers,
    labels,
    letters,
    log,
    runs,
    sessions,
    tenant,
)
from lichen.serve.api.route import ApiRoute

ROUTES: tuple[ApiRoute, ...] = (
    *sessions.ROUTES,
    *runs.ROUTES,
    *labels.ROUTES,
    *letters.ROUTES,
    *events.ROUTES,
    *agents.ROUTES,
    *approvals.ROUTES,
    *handovers.ROUTES,
    *log.ROUTES,
    *governing.ROUTES,
    *tenant.ROUTES,
)

__all__ = ["ROUTES", "ApiRoute"]
