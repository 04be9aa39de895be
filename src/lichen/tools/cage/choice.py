"""Which cage code is put into: the first that works here, tried out before anything is trusted to it.

Never one that shuts in less well than was asked for: where none does, nothing is started.
"""

from __future__ import annotations

from typing import Final

import msgspec

from lichen.core.cage.grant import Grant, Tier
from lichen.core.words.errors import LichenError
from lichen.tools.cage.bubblewrap import Bubblewrap
from lichen.tools.cage.groups import places, sweep
from lichen.tools.cage.oneshot import run
from lichen.tools.cage.port import Cage, CageUnavailable, Command

CAGES: Final[tuple[Cage, ...]] = (Bubblewrap(),)  # the better ones first
TRY_S: Final = 15.0
_TRIAL: Final = Command(("/bin/sh", "-c", "exit 7"))


class Found(msgspec.Struct, frozen=True):
    """What one cage can do here: why it does not work, if it does not; whether the kernel bounds all processes of a
    jail together, or each by itself.
    """

    cage: str
    tier: Tier
    fault: str = ""
    is_bounded_together: bool = False


class Cages:
    """The cages of this machine, each tried once."""

    def __init__(self, cages: tuple[Cage, ...] = CAGES) -> None:
        self._cages = cages
        self._found: dict[str, Found] = {}

    async def found(self) -> tuple[Found, ...]:
        """What each of them can do here."""
        if not self._found:
            sweep()
        for cage in self._cages:
            if cage.name not in self._found:
                self._found[cage.name] = await _tried(cage)
        return tuple(self._found.values())

    async def of(self, tier: Tier) -> Cage:
        """The first that works and shuts in so. Raises CageUnavailable, with what is wrong with each."""
        found = {each.cage: each for each in await self.found() if each.tier == tier}
        for cage in self._cages:
            if cage.name in found and not found[cage.name].fault:
                return cage
        why = "; ".join(f"{each.cage}: {each.fault}" for each in found.values())
        raise CageUnavailable(f"No {tier} works here. {why or 'There is none.'}")


async def _tried(cage: Cage) -> Found:
    together = bool(places())
    try:
        ran = await run(cage, _TRIAL, Grant(), timeout_s=TRY_S)
    except LichenError as error:
        return Found(cage.name, cage.tier, error.message, together)
    if ran.exit_code != 7:
        said = ran.stderr.decode(errors="replace").strip()[:300]
        return Found(cage.name, cage.tier, said or f"it ended with {ran.exit_code}", together)
    return Found(cage.name, cage.tier, "", together)
