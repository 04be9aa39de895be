"""What clients hear of the runs they began while these go on: progress, where they ask for it, and log messages.

Messages are asked for by level, for a session, or by request since 2026.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, Final, get_args

from mcp.server.connection import allowed_log_levels
from mcp_types import (
    EmptyResult,
    LoggingLevel,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    SetLevelRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from lichen.core.words.errors import Denied
from lichen.runtime.operations.talk.turn import Turn
from lichen.runtime.views.record import RecordView
from lichen.serve.mcp.visit import Context, House, session_of

SESSIONS_MAX: Final = 10_000
BEAT_S: Final = 5.0
PROGRESS_MAX: Final = 1_000  # notifications of one call
RUNNING: Final = "running"
LEVEL: Final = "info"
LOGGER: Final = "lichen.run"
ORDER: Final[tuple[LoggingLevel, ...]] = get_args(LoggingLevel)


class Levels:
    """Which sessions asked for messages, and from which level on; those longest unused are forgotten."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._by_session: OrderedDict[Any, LoggingLevel] = OrderedDict()

    async def set(self, ctx: Context, params: SetLevelRequestParams) -> EmptyResult:
        """The session hears from this level on."""
        visit = self._house.visit(ctx)
        name = session_of(visit.connection)
        self._by_session[name] = params.level
        self._by_session.move_to_end(name)
        if len(self._by_session) > SESSIONS_MAX:
            self._by_session.popitem(last=False)
        return EmptyResult()

    def hears(self, ctx: Context) -> bool:
        """Whether whoever sent this wants to hear what happens in a run."""
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return LEVEL in allowed_log_levels(ctx.protocol_version, ctx.meta)
        assert ctx.request is not None, "every way in says which connection a message came by"
        level = self._by_session.get(session_of(ctx.request))
        return level is not None and ORDER.index(level) <= ORDER.index(LEVEL)


async def telling(ctx: Context, turn: Turn, *, hears: bool) -> None:
    """Tells of a turn while it goes on: what happens, for whoever may read that; else that it still does."""
    if not (ctx.meta or {}).get("progress_token") and not hears:
        return
    n = 0
    async with aclosing(_beats(turn)) as beats:
        async for record in beats:
            n += 1
            message = RUNNING if record is None else f"{record.type} {record.summary}".strip()
            await ctx.session.report_progress(n, message=message)
            if record is not None and hears:
                await _tell(ctx, record)
            if n >= PROGRESS_MAX:
                return


async def _beats(turn: Turn) -> AsyncGenerator[RecordView | None]:
    """Everything that happens, for whoever may read it; else that it goes on, every few seconds."""
    with suppress(Denied):
        async for record in turn.records():
            yield record
        return
    while True:
        await asyncio.sleep(BEAT_S)
        yield None


async def _tell(ctx: Context, record: RecordView) -> None:
    """Tells of a record, without what anybody said: its type and what it is about."""
    data = {"type": record.type, "summary": record.summary, "stream": record.stream, "at_us": record.ts_us}
    params = LoggingMessageNotificationParams(level=LEVEL, logger=LOGGER, data=data)
    await ctx.session.send_notification(LoggingMessageNotification(params=params), related_request_id=ctx.request_id)
