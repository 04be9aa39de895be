"""WebSockets at the port: whatever frames a stranger sends, and however little they read, we hold little."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame

from lichen.serve.listen.quiet import quiet
from lichen.serve.listen.stall import Stalling

FRAGMENTS_MAX = 1_024  # of one message; empty ones would add up to no size at all


class _Frames(WebSocketsSansIOProtocol):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.logger = quiet()
        self.conn.logger, self.conn.debug = self.logger, False

    def shutdown(self) -> None:
        """Says goodbye and closes; a connection that its other side has begun to close is only let go of."""
        try:
            super().shutdown()
        except InvalidState:
            self.transport.close()

    def handle_ping(self) -> None:
        """Answers, unless earlier answers wait to be read: then only later ones are (RFC 6455, 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        """Takes one more fragment of a message."""
        if len(self.frames) < FRAGMENTS_MAX:
            super().handle_cont(event)
        else:
            self.transport.abort()


def websocket_protocol(stall_s: float) -> Any:
    """The protocol of a connection that becomes a WebSocket; one that reads nothing for `stall_s` is cut off."""
    return type("Frames", (Stalling, _Frames), {"stall_s": stall_s})
