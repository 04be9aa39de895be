"""All schedules of a runtime: found by scope and name, and set to work together."""

from __future__ import annotations

from collections.abc import Iterable

from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Scope
from lichen.runtime.schedules.ticking import Parts, Ticking
from lichen.settings import Settings


class Ticker:
    """The schedules that the settings name. `begin` sets them to work, in a process that stays."""

    def __init__(self, settings: Settings | None, parts: Parts) -> None:
        named = () if settings is None else ((scope, settings.schedules(scope)) for scope in settings.scopes)
        self._all = {(scope, each.name): Ticking(scope, each, parts) for scope, found in named for each in found}

    def begin(self) -> None:
        """From now on what comes due begins."""
        for each in self._all.values():
            each.begin()

    async def close(self) -> None:
        """Begins nothing more."""
        for each in self._all.values():
            await each.close()

    def of(self, scope: Scope) -> Iterable[Ticking]:
        """The schedules of a scope, by name."""
        return [each for (where, _), each in sorted(self._all.items(), key=lambda item: item[0][1]) if where == scope]

    def named(self, scope: Scope, name: str) -> Ticking:
        """One of them. Raises NotFound (`schedule_unknown`)."""
        found = self._all.get((scope, name))
        if found is None:
            known = ", ".join(each.schedule.name for each in self.of(scope)) or "none"
            step = f"lichen.toml names: {known}."
            raise NotFound("There is no schedule of this name here.", code="schedule_unknown", next_step=step)
        return found
