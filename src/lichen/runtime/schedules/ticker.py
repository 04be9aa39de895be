"""All schedules of a runtime: found by scope and name, and set to work together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from lichen.core.words.errors import NotFound
from lichen.core.words.scope import Scope
from lichen.runtime.schedules.ticking import Parts, Ticking
from lichen.settings import Settings
from lichen.settings.schedules.table import Schedule


class Ticker:
    """The schedules that the settings name. `begin` sets them to work, in a process that stays."""

    def __init__(self, settings: Settings | None, parts: Parts) -> None:
        self._parts, self._is_at_work = parts, False
        self._all = {key: Ticking(key[0], each, parts) for key, each in _named(settings).items()}

    def begin(self) -> None:
        """From now on what comes due begins."""
        self._is_at_work = True
        for each in self._all.values():
            each.begin()

    async def renew(self, settings: Settings, scopes: Collection[Scope]) -> tuple[str, ...]:
        """Puts in force what the settings name now, for the `scopes` that there are: `TENANT/NAME` of those that are
        others, new or gone. What has begun goes on; of one that is gone no moment is owed if it comes back.

        Raises Unavailable.
        """
        found = {key: each for key, each in _named(settings).items() if key[0] in scopes}
        changed = [
            key for key in {*self._all, *found} if key not in self._all or self._all[key].schedule != found.get(key)
        ]
        for key in changed:
            if old := self._all.pop(key, None):
                await old.close()
                if key not in found:
                    old.disarm()
            if key in found:
                self._all[key] = Ticking(key[0], found[key], self._parts)
                if self._is_at_work:
                    self._all[key].begin()
        return tuple(sorted(f"{scope.tenant}/{name}" for scope, name in changed))

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


def _named(settings: Settings | None) -> Mapping[tuple[Scope, str], Schedule]:
    if settings is None:
        return {}
    return {(scope, each.name): each for scope in settings.scopes for each in settings.schedules(scope)}
