"""What caged code reaches of the network: hosts it was granted, at addresses that were looked at, and no others."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lichen.core.words.errors import LichenError
from lichen.tools.egress.addresses import host_of, reached
from lichen.tools.egress.authority import Authority
from lichen.tools.egress.proxy import Egress, EgressBounds
from lichen.tools.egress.requests import request_of
from tests.tools.cage.sites import TOKEN, secured, site

ENDS_S = 10.0


@asynccontextmanager
async def proxy(*network: str, credentials: Mapping[str, Mapping[str, str]] = {}, **said: Any) -> AsyncGenerator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    egress = Egress(network, credentials, **said)
    await egress.serve(listening)
    try:
        yield listening.getsockname()[1]
    finally:
        await egress.close()


async def asked(port: int, request: str) -> str:
    """What a proxy answers to a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.replace("\n", "\r\n").encode())
        await writer.drain()
        return (await asyncio.wait_for(reader.read(), ENDS_S)).decode()
    finally:
        writer.close()


async def at(*addresses: str) -> Any:
    async def resolve(name: str, port: int) -> tuple[str, ...]:
        return addresses

    return resolve


@pytest.mark.req("SYM-31.7")
async def test_a_granted_host_is_reached_and_no_other() -> None:
    async with site() as ours, site() as other, proxy(f"127.0.0.1:{ours.port}") as port:
        assert "hallo" in await asked(port, f"GET http://127.0.0.1:{ours.port}/a?b=c HTTP/1.1\nHost: evil\n\n")
        assert ours.asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
        refused = await asked(port, f"GET http://127.0.0.1:{other.port}/ HTTP/1.1\nHost: a\n\n")
        assert "403 Forbidden" in refused
        assert "host_denied" in refused
        assert "host_denied" in await asked(port, f"CONNECT 127.0.0.1:{other.port} HTTP/1.1\n\n")
        assert other.asked == []


@pytest.mark.req("SYM-31.7")
async def test_a_tunnel_leads_to_a_granted_host_both_ways() -> None:
    async with site() as ours, proxy(f"127.0.0.1:{ours.port}") as port:
        said = await asked(port, f"CONNECT 127.0.0.1:{ours.port} HTTP/1.1\n\nPOST / HTTP/1.1\nContent-Length: 2\n\nab")
        assert "200 Connection established" in said
        assert said.endswith("hallo")
        assert ours.asked[0].endswith(b"ab")


@pytest.mark.req("SYM-31.8")
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254",
    ],
)  # fmt: skip
async def test_a_name_never_leads_into_our_own_network(address: str) -> None:
    for found in ((address,), ("93.184.215.14", address)):
        with pytest.raises(LichenError) as refused:
            await reached((host_of("a.example"),), "a.example", 443, await at(*found))
        assert refused.value.code == "address_denied"
    assert await reached((host_of("a.example"),), "a.example", 443, await at("93.184.215.14")) == "93.184.215.14"


@pytest.mark.req("SYM-31.8")
async def test_what_was_looked_at_is_connected_to_whatever_the_name_says_next() -> None:
    """A name that leads elsewhere the second time is asked once."""
    times: list[str] = []

    async def rebinding(name: str, port: int) -> tuple[str, ...]:
        times.append(name)
        return ("127.0.0.1",) if len(times) > 1 else ("192.0.0.9",)  # the first is public, and nobody is there

    async with site() as ours, proxy(f"a.example:{ours.port}", resolve=rebinding) as port:
        said = await asked(port, f"GET http://a.example:{ours.port}/ HTTP/1.1\n\n")
        assert "hallo" not in said
        assert (times, ours.asked) == (["a.example"], [])


@pytest.mark.req("SYM-31.8")
async def test_an_address_that_a_grant_names_is_meant_unless_it_is_of_the_link() -> None:
    assert await reached((host_of("10.0.0.5:8080"),), "10.0.0.5", 8080, await at()) == "10.0.0.5"
    for address in ("169.254.169.254", "0.0.0.0", "224.0.0.1"):
        with pytest.raises(LichenError, match="address_denied"):
            await reached((host_of(f"{address}:80"),), address, 80, await at())


def test_hosts_are_compared_whole() -> None:
    assert host_of("*.example.com").covers("a.b.example.com", 443)
    assert not host_of("*.example.com").covers("example.com", 443)
    assert not host_of("*.example.com").covers("evilexample.com", 443)
    assert not host_of("example.com").covers("a.example.com", 443)
    assert not host_of("example.com").covers("example.com", 8080)
    assert host_of("example.com:8443") == host_of("EXAMPLE.com.:8443")


@pytest.mark.req("SYM-31.9")
async def test_credentials_are_added_outside_and_replace_what_is_said_inside() -> None:
    async with site() as ours:
        name = f"127.0.0.1:{ours.port}"
        certificate, context = secured()
        trust = trusting(certificate)
        async with site(secured=context) as safe:
            async with proxy(name, f"127.0.0.1:{safe.port}", credentials={"127.0.0.1": TOKEN}, trust=trust) as port:
                words = f"GET http://127.0.0.1:{safe.port}/ HTTP/1.1\nauthorization: Bearer mine\nX-A: b\n\n"
                assert "hallo" in await asked(port, words)
            head = safe.asked[0].lower()
            assert b"bearer of the owner" in head
            assert b"x-a: b" in head
            assert b"mine" not in head


@pytest.mark.req("SYM-31.9")
async def test_credentials_go_to_nobody_who_is_not_the_host() -> None:
    """Over TLS that somebody else vouches for, nothing is sent."""
    _, impostor = secured()
    trust = trusting(secured()[0])
    async with (
        site(secured=impostor) as other,
        proxy(f"127.0.0.1:{other.port}", credentials={"127.0.0.1": TOKEN}, trust=trust) as port,
    ):
        said = await asked(port, f"GET http://127.0.0.1:{other.port}/ HTTP/1.1\n\n")
        assert "host_unreachable" in said
        assert "owner" not in said
        assert other.asked == []


@pytest.mark.req("SYM-31.9")
async def test_requests_in_a_tunnel_get_credentials_too(tmp_path: Path) -> None:
    inside = Authority()
    certificate, context = secured()
    trust = trusting(certificate)
    async with site(secured=context) as safe:
        added = {"127.0.0.1": TOKEN}
        async with proxy(f"127.0.0.1:{safe.port}", credentials=added, trust=trust, authority=inside) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"CONNECT 127.0.0.1:{safe.port} HTTP/1.1\r\n\r\n".encode())
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            (tmp_path / "trusted").write_bytes(inside.certificate)
            await writer.start_tls(ssl.create_default_context(cafile=tmp_path / "trusted"), server_hostname="127.0.0.1")
            writer.write(b"GET /a HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
            said = await asyncio.wait_for(reader.read(), ENDS_S)
            writer.close()
    assert said.endswith(b"hallo")
    assert b"Bearer of the owner" in safe.asked[0]
    assert b"elsewhere" not in safe.asked[0]


@pytest.mark.req("SYM-31.10")
async def test_what_goes_through_is_bounded() -> None:
    bounds = EgressBounds(bytes_max=1_000, connections_max=1, idle_s=0.2)
    async with site(answer=b"x" * 100_000) as ours, proxy(f"127.0.0.1:{ours.port}", bounds=bounds) as port:
        said = await asked(port, f"GET http://127.0.0.1:{ours.port}/ HTTP/1.1\n\n")
        assert len(said) <= 1_000
        long = f"POST http://127.0.0.1:{ours.port}/ HTTP/1.1\nContent-Length: 5000\n\n"
        assert "request_refused" in await asked(port, long)
        assert "too long" in await asked(port, f"GET http://a/ HTTP/1.1\nA: {'x' * 100_000}\n\n")
        assert await asked(port, "GET ") == ""  # nothing more comes
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert "connections_full" in await asked(port, "")
        writer.close()
        del reader


@pytest.mark.parametrize(
    "head",
    [
        "GET /relative HTTP/1.1", "GET https://a/ HTTP/1.1", "GET http://user@a/ HTTP/1.1", "get http://a/ HTTP/1.1",
        "GET http://a/ HTTP/2", "GET http://a/ x HTTP/1.1", "CONNECT a HTTP/1.1", "CONNECT a:99999 HTTP/1.1",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked",
        "POST http://a/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
        "POST http://a/ HTTP/1.1\r\nContent-Length: +1", "GET http://a/ HTTP/1.1\r\n folded: x",
        "GET http://a/ HTTP/1.1\r\nA : x",
        "GET http://a/ HTTP/1.1\nA: x", "GET http://a/ HTTP/1.1\r\nA: x\ny",
    ],
)  # fmt: skip
def test_what_two_could_read_in_two_ways_is_refused(head: str) -> None:
    with pytest.raises(LichenError, match="request_refused"):
        request_of(f"{head}\r\n\r\n".encode())


def trusting(certificate: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=certificate.decode())
