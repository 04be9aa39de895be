"""The short way of a connection: a request that came whole is handed on at once, without a task and a turn of its own.

The fast path for what the application says comes often (`Short`). Whatever is not quite ordinary about a request, and
whatever its application leaves to its routes, goes the way of all others, as if nothing had happened.
"""

from __future__ import annotations

import asyncio
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from lichen.serve.http.state import Answer
from lichen.serve.listen.bounded import Bounded
from lichen.serve.listen.proxies import Proxies

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Base
else:
    _Base = asyncio.Protocol


class Shortly(_Base):
    """A connection by httptools that hands on what came whole in one read."""

    proxies: Proxies
    bounded: Bounded
    _held: bytearray | None = None  # the body of a request that may go the short way, while more of it may come

    def data_received(self, data: bytes) -> None:
        """Takes what came in one read."""
        super().data_received(data)
        if self._held is not None:
            self._go_on(self._held)  # the rest comes later

    def on_headers_complete(self) -> None:
        """The head is there: its request is begun now, or once its body came with it."""
        if self._is_ordinary():
            self._held = bytearray()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Takes a piece of the body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body

    def on_message_complete(self) -> None:
        """The request came whole."""
        held, self._held = self._held, None
        if held is None:
            super().on_message_complete()
        elif not self._is_taken(bytes(held)):
            self._go_on(held)
            super().on_message_complete()

    def _is_ordinary(self) -> bool:
        """Whether a request is one for the short way, with nothing about it that only uvicorn knows how to answer."""
        short, parser = self.bounded.short, self.parser
        return (
            short is not None
            and parser is not None
            and short.path.fullmatch(self.url) is not None
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and (self.cycle is None or self.cycle.response_complete)  # pyright: ignore[reportUnnecessaryComparison]
        )

    def _go_on(self, body: bytearray) -> None:
        """Begins a request as all others are begun, with what came of its body."""
        self._held = None
        super().on_headers_complete()
        if body:
            super().on_body(bytes(body))

    def _is_taken(self, body: bytes) -> bool:
        path = self.url.decode("ascii")
        scope: dict[str, Any] = {
            **self.scope, "method": "POST", "path": path, "raw_path": self.url, "query_string": b""
        }  # fmt: skip
        self.proxies.name(scope)
        cycle = _Cycle(self)
        before, self.cycle = self.cycle, cycle  # pyright: ignore[reportAttributeAccessIssue] - all that is asked of one
        if self.bounded.takes(scope, body, cycle.answer):
            return True
        self.cycle = before
        return False


class _Cycle:
    """A request that is being answered, as uvicorn's protocol sees any: what comes after it waits for its end."""

    more_body = response_complete = disconnected = False
    keep_alive = True

    def __init__(self, protocol: Shortly) -> None:
        self._protocol = protocol
        self.message_event = self  # which nobody waits for

    def set(self) -> None:
        """Nobody waits for the rest of the body."""

    def answer(self, answer: Answer) -> None:
        """Sends the whole answer, unless nobody is there any more."""
        self.response_complete = True
        if self.disconnected:
            return
        transport = self._protocol.transport
        transport.write(_bytes(answer, keep_alive=self.keep_alive))
        if not self.keep_alive:
            transport.close()
        self._protocol.on_response_complete()


def _bytes(answer: Answer, *, keep_alive: bool) -> bytes:
    parts = [_status_line(answer.status)]
    for name, value in answer.headers:
        parts += name, b": ", value, b"\r\n"
    parts += (b"\r\n" if keep_alive else b"connection: close\r\n\r\n"), answer.body
    return b"".join(parts)


@cache
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
