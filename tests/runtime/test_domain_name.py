"""What the DNS of a domain says of its key, beside the domain itself; and the domain asked again when one accepts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import dns.message
import dns.rcode
import dns.rrset
import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Conflict, Invalid, Unavailable
from lichen.core.words.ids import TENANT_STREAM
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.runtime.servers import dns as asking
from lichen.runtime.servers.dns import Dns
from lichen.tools.mcp.definition import defined
from lichen.tools.pins.keys import fingerprint
from lichen.tools.vouching.signature import Signature, kept
from tests.runtime.test_servers import opened, written
from tests.runtime.test_vouched import OPS, SCOPE, TOOL, Books, asked
from tests.tools.pins.vendor import DOMAIN, Vendor


class Resolver(asyncio.DatagramProtocol):
    """A resolver on the loopback that knows one kind of record, or is in trouble."""

    def __init__(self) -> None:
        self.records: tuple[str, ...] = ()
        self.trouble: dns.rcode.Rcode | None = None
        self.is_silent = False
        self.names: list[str] = []
        self.port = 0
        self._way: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._way = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name
        self.names.append(str(name))
        response = dns.message.make_response(query)
        if self.trouble is not None:
            response.set_rcode(self.trouble)
        elif self.records:
            quoted = [" ".join(f'"{each[at : at + 200]}"' for at in range(0, len(each), 200)) for each in self.records]
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *quoted))
        assert self._way is not None
        if not self.is_silent:
            self._way.sendto(response.to_wire(), addr)


@asynccontextmanager
async def resolving() -> AsyncGenerator[Resolver]:
    loop = asyncio.get_running_loop()
    way, resolver = await loop.create_datagram_endpoint(Resolver, local_addr=("127.0.0.1", 0))
    resolver.port = way.get_extra_info("sockname")[1]
    try:
        yield resolver
    finally:
        way.close()


@asynccontextmanager
async def witnessed(books: Books) -> AsyncGenerator[tuple[Runtime, Resolver]]:
    """A runtime whose server's domain has to have the key in its DNS as well."""
    async with resolving() as resolver:
        path = books.project.root / "lichen.toml"
        path.write_text(path.read_text().rstrip() + f'\nschemapin_dns = "127.0.0.1:{resolver.port}"\n')
        async with opened(books.project) as runtime:
            yield runtime, resolver


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


def named(vendor: Vendor) -> str:
    return f"v=schemapin1; kid=1; fp={fingerprint(vendor.key.public_key())}"


@pytest.mark.req("SYM-65.2")
async def test_a_signature_counts_where_the_dns_names_its_key_or_none(books: Books) -> None:
    books.offers(books.signed(), books.signed({**TOOL, "name": "other"}))
    async with witnessed(books) as (runtime, resolver):
        resolver.records = ("v=spf1 -all", named(books.vendor))
        assert len((await runtime.servers.look(SCOPE, "books")).on) == 2
        assert set(resolver.names) == {f"_schemapin.{DOMAIN}."}
        books.offers(books.signed(), books.signed({**TOOL, "name": "third"}))
        resolver.records = ()
        assert "books.third" in (await runtime.servers.look(SCOPE, "books")).on
        resolver.trouble = dns.rcode.NXDOMAIN
        assert "books.third" in (await runtime.servers.look(SCOPE, "books")).on


@pytest.mark.req("SYM-65.2")
@pytest.mark.parametrize(
    ("records", "trouble", "why"),
    [
        ((named(Vendor()),), None, "domain_mismatch"),
        (("v=schemapin1; fp=",), None, "discovery_invalid"),
        ((), dns.rcode.SERVFAIL, "discovery_fetch_failed"),
        ((), dns.rcode.REFUSED, "discovery_fetch_failed"),
    ],
)
async def test_another_key_in_the_dns_or_a_resolver_in_trouble_leaves_the_tool_out_and_says_why(
    books: Books, records: tuple[str, ...], trouble: dns.rcode.Rcode | None, why: str
) -> None:
    books.offers(books.signed())
    async with witnessed(books) as (runtime, resolver):
        resolver.records, resolver.trouble = records, trouble
        assert (await runtime.servers.look(SCOPE, "books")).left_out["books.find"].startswith(why)
        assert written(runtime) == []
        assert await asked(runtime) == "no tool"


@pytest.mark.req("SYM-65.3")
async def test_a_resolver_that_says_nothing_is_given_up_in_its_time() -> None:
    async with resolving() as resolver:
        resolver.is_silent = True
        with pytest.raises(Unavailable, match="dns_failed"):
            await Dns(f"127.0.0.1:{resolver.port}", whole_s=0.2)("_schemapin.vendor.example")
        assert resolver.names


@pytest.mark.req("SYM-65.3")
async def test_the_strings_of_a_record_are_one_text_and_of_many_records_some_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with resolving() as resolver:
        resolver.records = ("x" * 600,)
        asks = Dns(f"127.0.0.1:{resolver.port}")
        assert tuple(await asks("_schemapin.vendor.example")) == ("x" * 600,)
        resolver.records = tuple(f"n{i}" for i in range(100))
        monkeypatch.setattr(asking, "RECORDS_MAX", 2)
        assert len(tuple(await asks("_schemapin.vendor.example"))) == 2


@pytest.mark.req("SYM-65.3")
@pytest.mark.parametrize("at", ["dns.example", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:99999", "[::1]:", "1.2.3"])
def test_who_is_asked_is_an_address_and_nothing_else(books: Books, at: str) -> None:
    path = books.project.root / "lichen.toml"
    path.write_text(path.read_text().rstrip() + f'\nschemapin_dns = "{at}"\n')
    with pytest.raises(Invalid, match=r"lichen\.toml"):
        load(path, environ={})


async def waiting(runtime: Runtime, books: Books) -> str:
    """A signed definition waits for an operator."""
    books.offers(books.signed())
    await runtime.servers.look(SCOPE, "books")
    return runtime.servers.standing(SCOPE)["tool:books.find"].submitted


@pytest.mark.req("SYM-62.7")
@pytest.mark.parametrize("how", ["revoked", "another key"])
async def test_what_its_domain_takes_back_meanwhile_is_not_accepted(books: Books, how: str) -> None:
    path = books.project.root / "lichen.toml"
    path.write_text(path.read_text().rstrip() + '\ntrust = "review"\n')
    async with opened(books.project) as runtime:
        digest = await waiting(runtime, books)
        own = fingerprint(books.vendor.key.public_key())
        if how == "another key":
            books.vendor = Vendor()
        books.known(revoked_keys=[own] if how == "revoked" else [])
        with pytest.raises(Conflict, match="signature_refused"):
            await runtime.tools.accept(SCOPE, "books.find", digest, OPS)
        assert written(runtime) == ["submitted books.find"]
        books.vendor = Vendor()
        books.known(revoked_keys=[own])
        books.offers(books.signed())  # signed anew: the same words, by a key that counts
        await runtime.servers.look(SCOPE, "books")
        assert (await runtime.tools.accept(SCOPE, "books.find", digest, OPS)).state == "on"
        assert await asked(runtime) == 'ok {"text":"done"}'


@pytest.mark.req("SYM-62.7")
async def test_nothing_is_accepted_while_nobody_can_say_whether_its_domain_vouches_for_it(books: Books) -> None:
    path = books.project.root / "lichen.toml"
    path.write_text(path.read_text().rstrip() + '\ntrust = "review"\n')
    async with witnessed(books) as (runtime, resolver):
        digest = await waiting(runtime, books)
        resolver.trouble = dns.rcode.SERVFAIL
        with pytest.raises(Unavailable, match="domain_silent"):
            await runtime.tools.accept(SCOPE, "books.find", digest, OPS)
        resolver.trouble, resolver.records = None, (named(Vendor()),)
        with pytest.raises(Conflict, match="domain_mismatch"):
            await runtime.tools.accept(SCOPE, "books.find", digest, OPS)
        resolver.records = (named(books.vendor),)
        assert (await runtime.tools.accept(SCOPE, "books.find", digest, OPS)).state == "on"


@pytest.mark.req("SYM-62.7")
async def test_a_signature_of_which_only_the_key_was_kept_is_taken_anew_with_the_next_look(books: Books) -> None:
    path = books.project.root / "lichen.toml"
    path.write_text(path.read_text().rstrip() + '\ntrust = "review"\n')
    async with opened(books.project) as runtime:
        definition = defined("books", books.signed())
        signature = Signature(DOMAIN, fingerprint(books.vendor.key.public_key()), "all")
        told = moves.as_contents([("definition", definition.data), ("signature", kept(signature))], RETENTION)
        submitted = e.Submitted("tool", "books.find", definition.digest, "", "system", "submission-1")
        runtime.engine.journal(SCOPE).append({TENANT_STREAM: (e.Draft(submitted, told),)}, actor="system")
        with pytest.raises(Conflict, match="signature_missing"):
            await runtime.tools.accept(SCOPE, "books.find", definition.digest, OPS)
        for _ in range(2):
            assert await waiting(runtime, books) == definition.digest
        assert written(runtime) == ["submitted books.find"] * 2  # the second look said nothing new
        digest = definition.digest
        assert (await runtime.tools.accept(SCOPE, "books.find", digest, OPS)).state == "on"
