"""Where it is looked up what domains say of their agents, for each environment whose doors take credentials."""

from __future__ import annotations

from collections.abc import Callable

from lichen.core.remote.credentials import AgentPinTable
from lichen.runtime.access.credentials import DoorTo
from lichen.settings import Settings
from lichen.tools.agentpin.cache import FRESH_S, Cached
from lichen.tools.agentpin.directory import place_of
from lichen.tools.pins.resolvers import Fetch

FILES_FRESH_S = 2.0  # before files are read again


def doors_of(settings: Settings, fetch: Callable[[], Fetch], clock: Callable[[], int]) -> tuple[DoorTo, ...]:
    """The environments that take credentials. Raises Invalid for a trust bundle that is none."""
    return tuple(_door(settings, table, fetch, clock) for table in settings.agentpin)


def _door(settings: Settings, table: AgentPinTable, fetch: Callable[[], Fetch], clock: Callable[[], int]) -> DoorTo:
    place = place_of(settings.root / table.known if table.known else None, fetch)
    fresh_s = FILES_FRESH_S if table.known else FRESH_S
    cached = Cached(place, table.domains, lambda: clock() / 1_000_000, fresh_s=fresh_s)
    return DoorTo(settings.scope(table.tenant, table.env), table, cached)
