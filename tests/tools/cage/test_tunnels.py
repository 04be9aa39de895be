"""A tunnel is for one host: TLS that names another one, or nobody, does not go through."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from lichen.tools.egress import proxy as egress
from lichen.tools.egress.hello import HANDSHAKE, HELLO_BYTES_MAX, UNKNOWN_NAME, read_hello
from lichen.tools.egress.proxy import EgressBounds
from tests.tools.cage.test_egress import ENDS_S, at, proxy

PUBLIC = "93.184.215.14"
GRANTED, NEIGHBOUR = "granted.example", "neighbour.example"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Machine:
    """A machine that has the address of several hosts; it says what it was sent."""

    def __init__(self) -> None:
        self.sent = b""
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            self.sent += data
        writer.write(b"heard")
        writer.close()


@asynccontextmanager
async def machine(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Machine]:
    made = Machine()
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    really = asyncio.open_connection

    async def connected(host: str, port: int, **said: Any) -> Any:
        return await really("127.0.0.1" if host == PUBLIC else host, port, **said)

    monkeypatch.setattr(egress.asyncio, "open_connection", connected)
    try:
        yield made
    finally:
        server.close()


def hello(name: str | None) -> bytes:
    """What OpenSSL says first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def records(message: bytes, *, each: int) -> bytes:
    """A handshake message in records of so many bytes."""
    parts = [message[start : start + each] for start in range(0, len(message), each)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in parts)


def extended(name: str | None, kind: int, data: bytes) -> bytes:
    """What OpenSSL says first, with one more extension."""
    message = hello(name)[5:]
    at = 4 + 2 + 32
    at += 1 + message[at]
    at += 2 + int.from_bytes(message[at : at + 2])
    at += 1 + message[at]
    extensions = message[at + 2 :] + kind.to_bytes(2) + len(data).to_bytes(2) + data
    body = message[4:at] + len(extensions).to_bytes(2) + extensions
    return records(b"\x01" + len(body).to_bytes(3) + body, each=16_384)


def naming(*hosts: bytes, kind: int = 0) -> bytes:
    """The extension `server_name`."""
    listed = b"".join(bytes((kind,)) + len(host).to_bytes(2) + host for host in hosts)
    return len(listed).to_bytes(2) + listed


def named(data: bytes) -> bytes:
    """What OpenSSL says first, with names of ours."""
    return extended(None, 0, data)


async def tunnelled(port: int, host: str, data: bytes) -> bytes:
    """What comes back through a tunnel, after whoever sent this ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
        assert await asyncio.wait_for(reader.readexactly(len(ESTABLISHED)), ENDS_S) == ESTABLISHED
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), ENDS_S)
    finally:
        writer.close()


@pytest.mark.req("SYM-31.20")
async def test_a_tunnel_to_a_granted_host_is_cut_for_whoever_names_its_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with machine(monkeypatch) as there:
        host = f"{GRANTED}:{there.port}"
        async with proxy(host, f"{NEIGHBOUR}:1", resolve=await at(PUBLIC)) as port:
            assert await tunnelled(port, host, hello(NEIGHBOUR)) == UNKNOWN_NAME
            assert await tunnelled(port, host, hello(None)) == UNKNOWN_NAME
            assert there.sent == b""
            assert await tunnelled(port, host, hello(GRANTED) + b"more") == b"heard"
            assert there.sent[0] == HANDSHAKE
            assert there.sent.endswith(b"more")


@pytest.mark.req("SYM-31.20")
async def test_what_is_no_tls_names_nobody_and_goes_to_granted_addresses_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with machine(monkeypatch) as there:
        host, address = f"{GRANTED}:{there.port}", f"127.0.0.1:{there.port}"
        async with proxy(host, address, resolve=await at(PUBLIC)) as port:
            for words in (
                b"GET / HTTP/1.1\r\nHost: neighbour.example\r\n\r\n",
                b"SSH-2.0-x\r\n",
                b"\x80\x2e\x01\x03\x01",
            ):
                assert await tunnelled(port, host, words) == b""
            assert there.sent == b""
            assert await tunnelled(port, address, b"SSH-2.0-x\r\n") == b"heard"
            assert await tunnelled(port, address, hello(None)) == b"heard"
            assert await tunnelled(port, address, hello(NEIGHBOUR)) == UNKNOWN_NAME


@pytest.mark.req("SYM-31.21")
@pytest.mark.parametrize("each", [1, 3, 40, 500])
async def test_a_name_is_found_in_however_many_records_it_comes(monkeypatch: pytest.MonkeyPatch, each: int) -> None:
    async with machine(monkeypatch) as there:
        host = f"{GRANTED}:{there.port}"
        async with proxy(host, resolve=await at(PUBLIC)) as port:
            assert await tunnelled(port, host, records(hello(NEIGHBOUR)[5:], each=each)) == UNKNOWN_NAME
            sent = records(hello(GRANTED)[5:], each=each)
            assert await tunnelled(port, host, sent) == b"heard"
            assert there.sent == sent


@pytest.mark.req("SYM-31.21")
async def test_of_an_encrypted_hello_the_outer_name_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = b"\x00" + b"\x00\x01\x00\x01" + b"\x07" + bytes(2) + (32).to_bytes(2) + hello(NEIGHBOUR)[-32:]
    async with machine(monkeypatch) as there:
        host = f"{GRANTED}:{there.port}"
        async with proxy(host, resolve=await at(PUBLIC)) as port:
            assert await tunnelled(port, host, extended(NEIGHBOUR, 0xFE0D, inner)) == UNKNOWN_NAME
            assert await tunnelled(port, host, extended(GRANTED, 0xFE0D, inner)) == b"heard"


MALFORMED = {
    "two hosts": lambda: named(naming(GRANTED.encode(), NEIGHBOUR.encode())),
    "no host": lambda: named(naming()),
    "an empty host": lambda: named(naming(b"")),
    "a host that ends early for some": lambda: named(naming(GRANTED.encode() + b"\x00.neighbour.example")),
    "another kind of name": lambda: named(naming(GRANTED.encode(), kind=1)),
    "something behind the names": lambda: named(naming(GRANTED.encode()) + b"\x00"),
    "the extension twice": lambda: extended(GRANTED, 0, naming(NEIGHBOUR.encode())),
    "a length beyond its end": lambda: hello(GRANTED)[:-1],
    "another message behind it": lambda: records(hello(GRANTED)[5:] + b"\x0e\x00\x00\x00", each=16_384),
    "an alert within it": lambda: records(hello(GRANTED)[5:], each=100)[:105] + b"\x15\x03\x03\x00\x02\x01\x00",
    "an empty record": lambda: b"\x16\x03\x01\x00\x00" + hello(GRANTED),
    "a record of another protocol": lambda: b"\x16\x05" + hello(GRANTED)[2:],
    "a message of a server": lambda: records(b"\x02" + hello(GRANTED)[6:], each=16_384),
    "a giant": lambda: records(b"\x01\xff\xff\xff" + bytes(3 * HELLO_BYTES_MAX), each=16_384),
    "crumbs without an end": lambda: records(b"\x01\x00\x3f\x00" + bytes(3 * HELLO_BYTES_MAX), each=1),
}


@pytest.mark.req("SYM-31.21")
@pytest.mark.parametrize("name", MALFORMED)
async def test_what_two_could_read_in_two_ways_does_not_go_through(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async with machine(monkeypatch) as there:
        host = f"{GRANTED}:{there.port}"
        async with proxy(host, resolve=await at(PUBLIC)) as port:
            with suppress(ConnectionError):
                assert await tunnelled(port, host, MALFORMED[name]()) == b""
        assert there.sent == b""


@pytest.mark.req("SYM-31.21")
def test_what_is_malformed_is_so_by_one_thing_only() -> None:
    assert named_in(named(naming(GRANTED.encode()))) == named_in(hello(GRANTED)) == GRANTED
    assert named_in(named(naming(b"Granted.Example."))) == GRANTED
    assert named_in(hello(None)) is None


def named_in(data: bytes) -> str | None:
    async def read() -> str | None:
        reader = asyncio.StreamReader()
        reader.feed_data(data[1:])
        return (await read_hello(reader)).name

    return asyncio.run(read())


@pytest.mark.req("SYM-31.21")
async def test_whoever_does_not_end_naming_is_cut_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "CONNECT_S", 0.2)
    async with machine(monkeypatch) as there:
        host = f"{GRANTED}:{there.port}"
        bounds = EgressBounds(idle_s=0.2)
        async with proxy(host, resolve=await at(PUBLIC), bounds=bounds) as port:
            for words in (b"", hello(GRANTED)[:60]):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode() + words)
                assert await asyncio.wait_for(reader.read(), ENDS_S) == ESTABLISHED
                writer.close()
        assert there.sent == b""
