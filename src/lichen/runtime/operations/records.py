"""The log as it is read: a page of its records, and what comes after."""

from __future__ import annotations

import asyncio

import msgspec

from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.log.log import Log
from lichen.runtime.access.access import About, Access
from lichen.runtime.views.record import RecordView, record_view, sight

TOGETHER = 32  # records that are opened before others have their turn


class Position(msgspec.Struct, frozen=True):
    """How long a log is. `public_key` is hexadecimal."""

    log: str
    last: int
    durable: int
    public_key: str


class Records:
    """Reads records, contents opened where the key still exists, for whoever may read them. Each raises Denied."""

    def __init__(self, engine: Engine, access: Access) -> None:
        self._engine = engine
        self._access = access

    async def page(self, scope: Scope, actor: Actor, *, after: int = 0, limit: int = 100) -> tuple[RecordView, ...]:
        """Durable records after a position, in order; the last one's `seq` is the next `after`."""
        view = sight(self._access.look("log.read", scope, actor, About(scope.tenant), what="log"))
        log = self._engine.journal(scope).log
        views: list[RecordView] = []
        for record in await log.page_after(after, limit):
            views.append(record_view(log, record, view))
            if len(views) % TOGETHER == 0:
                await asyncio.sleep(0)  # others have their turn
        return tuple(views)

    async def after(self, scope: Scope, actor: Actor, position: int) -> None:
        """Returns once there is a durable record after a position."""
        log = self._asked(scope, actor)
        async for _ in log.follow(position):
            return

    def position(self, scope: Scope, actor: Actor) -> Position:
        """How long the log is now."""
        log = self._asked(scope, actor)
        return Position(log.id, log.last_seq, log.durable_seq, log.public_key.hex())

    def _asked(self, scope: Scope, actor: Actor) -> Log:
        self._access.ask("log.read", scope, actor, About(scope.tenant))
        return self._engine.journal(scope).log
