"""The meters of a tenant: what is declared, who used how much, what is left."""

from __future__ import annotations

import msgspec

from lichen.runtime.views.policy import MeterView
from lichen.serve.console.visit import Visit

ROWS_MAX = 50  # of one meter


class MeterList(msgspec.Struct, frozen=True):
    """Every meter that policies read in this scope, each with those who used most of it."""

    meters: tuple[MeterView, ...]


async def listing(visit: Visit) -> MeterList:
    """What is counted."""
    found = visit.runtime.meters.list(visit.scope, visit.actor)
    return MeterList(tuple(msgspec.structs.replace(meter, rows=meter.rows[:ROWS_MAX]) for meter in found))
