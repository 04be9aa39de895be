"""What models cost a tenant, day by day, and what is left of its budgets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lichen.core.words.quotas import Budgets
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.log.projections.costs import day_key
from lichen.runtime.access.access import EVERYTHING, Access
from lichen.runtime.views.models.costs import CostBook, cost_book

DAYS_MAX = 366


class CostBooks:
    """Reads what models cost. Raises Denied."""

    def __init__(self, engine: Engine, access: Access) -> None:
        self._engine, self._access = engine, access

    def show(self, scope: Scope, actor: Actor, *, days: int = 14) -> CostBook:
        """What models cost on the last so many days (UTC), today included."""
        self._access.open("run.read", scope, actor, EVERYTHING, what="run")
        services = self._engine.services
        journal, now_us = self._engine.journal(scope), services.clock()
        last = datetime.fromtimestamp(now_us / 1e6, UTC).date()
        first = last - timedelta(days=min(days, DAYS_MAX) - 1)
        budgets: Callable[[Scope], Budgets] = services.budgets
        today = journal.log.spent(day_key(now_us))
        return cost_book(first, last, journal.log.asked_rows(first, last), budgets(scope), today)
