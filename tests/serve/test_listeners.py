"""The socket of the owner and the port of strangers do what every listener must."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lichen.serve.host import Listener
from lichen.serve.listeners import OwnerSocket, PublicPort
from lichen.testing.doors.listener_conformance import Finish, ListenerConformance

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BODY = b'{"agent": "shop.bot"}'
HEAD = (
    b"POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\nlichen-tenant: acme\r\nlichen-env: dev\r\n"
    b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(BODY)
)


class Door(ListenerConformance):
    """What speaks HTTP."""

    async def connected(self, listener: Listener) -> Streams:
        raise NotImplementedError

    async def asks(self, listener: Listener) -> bool:
        try:
            reader, writer = await self.connected(listener)
        except OSError:
            return False
        writer.write(b"GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert not answer or answer.split()[1] in (b"200", b"401", b"404", b"400", b"503"), answer[:200]
        return bool(answer) and answer.split()[1] != b"503"

    async def begins(self, listener: Listener) -> Finish:
        before = await self._posted(listener)
        reader, writer = await self.connected(listener)
        writer.write(HEAD + BODY[:5])
        await writer.drain()
        await self.asks(listener)  # whatever comes after it was taken, so that was taken too

        async def finish() -> bool:
            writer.write(BODY[5:])
            answer = await reader.read()
            writer.close()
            return answer == before

        return finish

    async def _posted(self, listener: Listener) -> bytes:
        """What the whole request is answered with while nothing drains."""
        reader, writer = await self.connected(listener)
        writer.write(HEAD + BODY)
        answer = await reader.read()
        writer.close()
        assert b" 503 " not in answer[:20]
        return answer


class TestOwnerSocket(Door):
    def listener(self, folder: Path) -> Listener:
        return OwnerSocket(folder / "lichen.sock")

    def unusable(self, listener: Listener, folder: Path) -> Listener:
        return OwnerSocket(folder / "nowhere" / "lichen.sock")

    async def connected(self, listener: Listener) -> Streams:
        assert isinstance(listener, OwnerSocket)
        return await asyncio.open_unix_connection(str(listener.path))


class TestPublicPort(Door):
    def listener(self, folder: Path) -> Listener:
        return PublicPort("127.0.0.1", 0)

    def unusable(self, listener: Listener, folder: Path) -> Listener:
        assert isinstance(listener, PublicPort)
        return PublicPort("127.0.0.1", listener.number)

    async def connected(self, listener: Listener) -> Streams:
        assert isinstance(listener, PublicPort)
        if not listener.number:
            raise ConnectionRefusedError
        return await asyncio.open_connection("127.0.0.1", listener.number)
