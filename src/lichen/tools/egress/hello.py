"""The host that a TLS client names in its first message, read before anything of it goes on. What could be read in two
ways is no first message.

A name within an encrypted ClientHello is not looked for: the outer one is what a network goes by.

Source: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3, RFC 9849 (Encrypted ClientHello).
"""

from __future__ import annotations

from asyncio import StreamReader
from typing import Final, NamedTuple

HANDSHAKE: Final = 0x16  # the type of a TLS record, its first byte
UNKNOWN_NAME: Final = bytes((0x15, 3, 3, 0, 2, 2, 112))  # a fatal alert, unrecognized_name
HELLO_BYTES_MAX: Final = 16 * 1024
_RECORD_BYTES_MAX: Final = 16 * 1024
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0


class Hello(NamedTuple):
    """A first message: the host that it names, None where it names none, and the bytes as they came."""

    name: str | None
    sent: bytes


async def read_hello(reader: StreamReader) -> Hello:
    """The first message, in however many records it comes; nothing behind it is read. The first byte, `HANDSHAKE`, was
    read already. Raises ValueError for what is none, EOFError."""
    sent, message = bytearray((HANDSHAKE,)), bytearray()
    head = await reader.readexactly(4)
    while True:
        length = int.from_bytes(head[2:])
        if head[0] != 3 or not 0 < length <= _RECORD_BYTES_MAX:
            raise ValueError("it is no record of TLS")
        body = await reader.readexactly(length)
        sent += head + body
        message += body
        if len(sent) > 2 * HELLO_BYTES_MAX or len(message) > HELLO_BYTES_MAX:
            raise ValueError("its first message is too long")
        if _is_whole(message):
            return Hello(_name_in(bytes(message[4:])), bytes(sent))
        kind, *_ = await reader.readexactly(1)
        if kind != HANDSHAKE:
            raise ValueError("its first message has something else in it")
        sent.append(kind)
        head = await reader.readexactly(4)


def _is_whole(message: bytearray) -> bool:
    if message[0] != _CLIENT_HELLO:
        raise ValueError("its first message is no ClientHello")
    if len(message) < 4:
        return False
    length = 4 + int.from_bytes(message[1:4])
    if length > HELLO_BYTES_MAX or len(message) > length:
        raise ValueError("its first message is too long, or not alone")
    return len(message) == length


def _name_in(body: bytes) -> str | None:
    fields = _Fields(body)
    fields.take(2 + 32)  # version and random
    for width in (1, 2, 1):  # session, cipher suites, compression
        fields.vector(width)
    if fields.is_empty:
        return None
    extensions = fields.last(2)
    names: dict[int, bytes] = {}
    while not extensions.is_empty:
        kind = int.from_bytes(extensions.take(2))
        if kind in names:
            raise ValueError("an extension comes twice")
        names[kind] = extensions.vector(2)
    return _host_in(names[_SERVER_NAME]) if _SERVER_NAME in names else None


def _host_in(data: bytes) -> str:
    """The one host of the extension `server_name`."""
    listed = _Fields(data).last(2)
    kind = listed.take(1)[0]
    name = listed.last(2).rest()
    if kind != _HOST_NAME or not name or any(not 0x21 <= byte <= 0x7E for byte in name):
        raise ValueError("it names no host, or not only one")
    return name.decode("ascii").lower().rstrip(".")


class _Fields:
    """Bytes that are read from their beginning."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def is_empty(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise ValueError("it ends too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def vector(self, width: int) -> bytes:
        return self.take(int.from_bytes(self.take(width)))

    def last(self, width: int) -> _Fields:
        """A vector that nothing follows."""
        within = self.vector(width)
        if not self.is_empty:
            raise ValueError("something follows its end")
        return _Fields(within)

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)
