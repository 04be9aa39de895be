"""Hosts on the loopback, which say what they were asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from lichen.tools.egress.authority import Authority
from lichen.tools.egress.requests import request_of

TOKEN = {"Authorization": "Bearer of the owner"}


class Site:
    """A host: what it was asked, on a port of the loopback."""

    def __init__(self, answer: bytes = b"hallo") -> None:
        self.asked: list[bytes] = []
        self.port = 0
        self._answer = answer

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            request = request_of(head, ("site", 80))
            self.asked.append(head + await reader.readexactly(request.body_bytes))
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + self._answer)
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def site(secured: ssl.SSLContext | None = None, **said: Any) -> AsyncGenerator[Site]:
    made = Site(**said)
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0, ssl=secured)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def secured() -> tuple[bytes, ssl.SSLContext]:
    """Whom a client has to trust to reach a host at the loopback, and what that host needs."""
    authority = Authority()
    return authority.certificate, authority.context("127.0.0.1")
