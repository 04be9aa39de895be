"""Whether there is room for what somebody wants written: the tenant's bytes of the day, and the disk's reserve.

Both are asked before a session is opened, a run started or a message taken. What has begun goes on: the reserve is
there for it, and for operators.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lichen.core.words.errors import Full, TooMany
from lichen.core.words.quotas import MIB, Quotas
from lichen.core.words.scope import Actor, Scope
from lichen.log.disk.growth import DAY_US
from lichen.log.log import Log

if TYPE_CHECKING:
    from lichen.settings import Settings

LOOK_US = 1_000_000  # the disk is asked no more often
UNBOUNDED = ("operator", "system")


def free_bytes(home: Path) -> int:
    """How much may still be written where the data lies."""
    return shutil.disk_usage(home).free


class Quota:
    """The quotas of a runtime's tenants. A runtime without settings has none."""

    def __init__(
        self,
        settings: Settings | None,
        log: Callable[[Scope], Log],
        clock: Callable[[], int],
        *,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._settings, self._log, self._clock, self._free = settings, log, clock, free
        self._looked_us, self._left = 0, 0

    def check(self, scope: Scope, actor: Actor) -> None:
        """Whether `actor` may have more written. Raises Full (`disk_reserved`), TooMany (`tenant_bytes`)."""
        if self._settings is None or actor.kind in UNBOUNDED:
            return
        now_us = self._clock()
        if self._free_bytes(self._settings.home, now_us) < self._settings.serve.disk_reserve_mib * MIB:
            raise Full("The disk is nearly full, and the rest of it is kept for operators.", code="disk_reserved")
        if self._log(scope).grown_bytes(now_us) >= self._of(scope).bytes_per_day:
            raise _tomorrow("This tenant has written as much today as it may.", "tenant_bytes", now_us)

    def file_bytes(self, scope: Scope) -> int:
        """How many bytes the files of one message may have together."""
        return self._of(scope).file_bytes

    def check_files(self, scope: Scope, actor: Actor, size: int) -> None:
        """Whether files of so many bytes may come with a message of `actor`; what came today is counted by then.

        Raises TooMany (`file_bytes`).
        """
        if self._settings is None or actor.kind in UNBOUNDED:
            return
        now_us = self._clock()
        if self._log(scope).files.on(now_us) + size > self._of(scope).file_bytes_per_day:
            raise _tomorrow("This tenant was sent as many bytes of files today as it takes.", "file_bytes", now_us)

    def _of(self, scope: Scope) -> Quotas:
        tenant = self._settings.tenants.get(scope.tenant) if self._settings is not None else None
        return tenant.quotas if tenant is not None else Quotas()

    def _free_bytes(self, home: Path, now_us: int) -> int:
        if abs(now_us - self._looked_us) >= LOOK_US:
            self._looked_us, self._left = now_us, self._free(home)
        return self._left


def _tomorrow(message: str, code: str, now_us: int) -> TooMany:
    return TooMany(message, code=code, retry_after_s=(DAY_US - now_us % DAY_US) / 1e6)
