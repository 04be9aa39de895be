"""Connections whose reader stopped reading: what waits for them is kept for a while and no longer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Base
else:
    _Base = asyncio.Protocol


class Stalling(_Base):
    """Cuts off whoever takes nothing for `stall_s` of what waits for them. However slow a reader is, it is not cut."""

    stall_s: float
    _waiting_bytes = 0
    _look: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """More waits than the system takes."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """The reader took most of it."""
        super().resume_writing()
        self._forget_stall()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing waits any more."""
        self._forget_stall()
        super().connection_lost(exc)

    def _watch(self) -> None:
        self._waiting_bytes = self.transport.get_write_buffer_size()
        self._look = self.loop.call_later(self.stall_s, self._judge)

    def _judge(self) -> None:
        if self.transport.get_write_buffer_size() >= self._waiting_bytes:
            self.transport.abort()
        else:
            self._watch()

    def _forget_stall(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
