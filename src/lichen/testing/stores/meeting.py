"""A meeting in memory: processes that are none, for simulations of several and for their suite."""

from __future__ import annotations

from lichen.agents.lanes.division import Other
from lichen.agents.lanes.meeting import LEASE_S, Heard, Told, counts, learnt
from lichen.agents.lanes.window import Way, Window


class MemoryMeeting:
    """Everybody who holds it meets there. Implements `Meeting`."""

    def __init__(self) -> None:
        self._windows: dict[Way, Window] = {}
        self._uses: dict[Way, dict[str, Other]] = {}
        self.is_away = False

    def exchange(self, told: Told) -> Heard:
        """Takes what a process says. Raises OSError while `is_away`."""
        if self.is_away:
            raise OSError("nobody is here")
        for way, changes in told.learnt.items():
            self._windows[way] = learnt(self._windows.get(way, Window()), changes, told.now_us)
        for uses in self._uses.values():
            uses.pop(told.member, None)
        until_us = told.now_us + round(LEASE_S * 1e6)
        for way, use in told.uses.items():
            self._uses.setdefault(way, {})[told.member] = Other(told.member, use, until_us)
        ways = dict.fromkeys((*told.learnt, *told.uses))
        return Heard(
            {way: learnt(self._windows.get(way, Window()), (), told.now_us) for way in ways},
            {way: tuple(self._others(way, told)) for way in told.uses},
            len({other.member for way in self._uses for other in self._others(way, told)}),
        )

    def close(self) -> None:
        """It stays for the others."""

    def _others(self, way: Way, told: Told) -> list[Other]:
        uses = self._uses.get(way, {}).values()
        return [use for use in uses if use.member != told.member and counts(use.until_us, told.now_us)]
