"""The last look before an effect: whether this process still acts for its logs, and no other does."""

from __future__ import annotations

from typing import Final

from lichen.engine.ports import Services

LOOK_S: Final = 0.05


async def owned(services: Services) -> None:
    """Returns at once where no other process can be acting for these logs, else when that is so again. Where another
    one is, the volume fails, and whoever waits here is cancelled."""
    while not services.owning.is_ours():
        await services.sleep(LOOK_S)
