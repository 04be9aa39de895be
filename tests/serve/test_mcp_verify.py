"""`verify_schema`: signatures of strangers, checked with a key that lies at a public https address."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client

from lichen.core.words.errors import Unavailable
from lichen.core.words.scope import Scope
from lichen.runtime.runtime import Runtime
from lichen.tools.pins.canonical import canonical
from lichen.tools.pins.keys import fingerprint, sign
from lichen.tools.pins.resolvers import Fetch
from lichen.tools.pins.signed import document_of, sign_schema
from tests.serve.mcp import client, key, served
from tests.tools.pins.vendor import DOMAIN, NOW, SCHEMA, Vendor

WELL_KNOWN = f"https://{DOMAIN}/.well-known/schemapin.json"
PEM = f"https://{DOMAIN}/key.pem"


class Web:
    """What lies at addresses, and which were asked. It answers once `open` is set."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.open, self.came = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def __call__(self, url: str, /, *, bytes_max: int) -> bytes:
        self.asked.append(url)
        self.came.set()
        await self.open.wait()
        if url not in self.pages or len(self.pages[url]) > bytes_max:
            raise Unavailable("It answers with status 404.", code="fetch_failed", place=url)
        return self.pages[url]


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def web(runtime: Runtime, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web()
    web.pages[WELL_KNOWN] = json.dumps(vendor.said()).encode()

    def fetch() -> Fetch:
        return web

    monkeypatch.setattr(runtime.servers.vouching, "_fetch", fetch)
    return web


@asynccontextmanager
async def calling(runtime: Runtime) -> AsyncGenerator[Callable[..., Any]]:
    """A customer's calls of `verify_schema`."""
    async with served(runtime) as url, client(url, key(runtime, "customer-7")) as caller:

        async def verify(schema: object, url: str = WELL_KNOWN, **more: Any) -> Any:
            return await caller.call_tool("verify_schema", {"schema": schema, "public_key_url": url, **more})

        yield verify


def signed(vendor: Vendor) -> Mapping[str, Any]:
    return document_of(sign_schema(SCHEMA, vendor.key, NOW))


def told(result: Any) -> Mapping[str, Any]:
    """What came of a check that was made."""
    assert result.is_error == (not result.structured_content["valid"])
    return result.structured_content


def code(result: Any) -> str:
    return result.structured_content["error"]["code"]


@pytest.mark.req("SYM-58.6")
async def test_a_signature_beside_a_schema_or_in_it_is_verified_with_the_key_at_the_address(
    runtime: Runtime, web: Web, vendor: Vendor
) -> None:
    document = signed(vendor)
    embedded = {**SCHEMA, "signature": sign(canonical(SCHEMA), vendor.key, "single")}
    async with calling(runtime) as verify:
        for schema, more in (
            (document, {}),
            (json.dumps(document), {}),
            (embedded, {}),
            (SCHEMA, {"signature": document["signature"]}),
        ):
            found = told(await verify(schema, **more))
            own = fingerprint(vendor.key.public_key())
            assert (found["valid"], found["domain"], found["fingerprint"]) == (True, DOMAIN, own)
            assert "key_pinning" not in found
    assert set(web.asked) == {WELL_KNOWN}
    assert not runtime.servers.standing(Scope("acme", "dev"))


@pytest.mark.req("SYM-58.6")
async def test_what_does_not_count_is_an_error_with_the_code_of_what_is_wrong(
    runtime: Runtime, web: Web, vendor: Vendor
) -> None:
    document = signed(vendor)
    async with calling(runtime) as verify:
        other = {**document, "schema": {**SCHEMA, "description": "Reads keys."}}
        assert told(await verify(other))["error_code"] == "signature_invalid"
        assert told(await verify(signed(Vendor())))["error_code"] == "signature_invalid"
        assert (
            told(await verify({**document, "canonicalization": "mine"}))["error_code"] == "canonicalization_unsupported"
        )
        own = fingerprint(vendor.key.public_key())
        web.pages[WELL_KNOWN] = json.dumps(vendor.said(revoked_keys=[own])).encode()
        assert told(await verify(document))["error_code"] == "key_revoked"
        web.pages[WELL_KNOWN] = b"<html>"
        assert told(await verify(document))["error_code"] == "discovery_invalid"
        del web.pages[WELL_KNOWN]
        assert told(await verify(document))["error_code"] == "discovery_fetch_failed"


@pytest.mark.req("SYM-58.6")
async def test_a_bare_key_counts_unless_its_domain_takes_it_back(runtime: Runtime, web: Web, vendor: Vendor) -> None:
    document, own = signed(vendor), fingerprint(vendor.key.public_key())
    web.pages[PEM] = vendor.pem.encode()
    known = Vendor().said
    async with calling(runtime) as verify:
        web.pages[WELL_KNOWN] = json.dumps(known()).encode()
        found = told(await verify(document, PEM))
        assert (found["valid"], found["warnings"]) == (True, [])
        web.pages[WELL_KNOWN] = json.dumps(known(revoked_keys=[own])).encode()
        assert told(await verify(document, PEM))["error_code"] == "key_revoked"
        del web.pages[WELL_KNOWN]
        found = told(await verify(document, PEM))
        assert (found["valid"], found["warnings"]) == (True, ["revocation_unchecked"])
        web.pages[PEM] = b"-----BEGIN PUBLIC KEY-----\nnone\n-----END PUBLIC KEY-----"
        assert told(await verify(document, PEM))["error_code"] == "key_not_found"


@pytest.mark.req("SYM-58.6")
async def test_no_address_is_asked_that_is_private_or_not_over_https(
    runtime: Runtime, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def private(host: str, *rest: Any, **more: Any) -> Any:
        return resolve("10.0.0.7" if host == DOMAIN else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", private)
    document = signed(vendor)
    async with calling(runtime) as verify:
        for url, says, message in (
            (WELL_KNOWN, "discovery_fetch_failed", "no public address"),
            (f"http://{DOMAIN}/key.pem", "discovery_fetch_failed", "no plain https"),
            (f"https://{DOMAIN}:8443/key.pem", "discovery_fetch_failed", "no plain https"),
            (f"https://ops@{DOMAIN}/key.pem", "discovery_fetch_failed", "no plain https"),
            (f"https://{DOMAIN}/schlüssel", "discovery_fetch_failed", "no plain https"),
            ("https://127.0.0.1/key.pem", "discovery_invalid", "no domain"),
            ("https://localhost/key.pem", "discovery_invalid", "no domain"),
            ("https://[::1", "discovery_invalid", "no domain"),
        ):
            found = told(await verify(document, url))
            assert (found["error_code"], message in found["error_message"]) == (says, True), url


@pytest.mark.req("SYM-58.6")
async def test_nothing_is_fetched_for_what_holds_no_signature_or_is_too_large(
    runtime: Runtime, web: Web, vendor: Vendor
) -> None:
    async with calling(runtime) as verify:
        assert code(await verify(SCHEMA)) == "signature_missing"
        assert code(await verify('{"a": 1, "a": 2}')) == "document_invalid"
        assert code(await verify({**signed(vendor), "note": "x" * 300_000})) == "content_too_large"
        assert code(await verify(signed(vendor), "https://" + "x" * 3_000)) == "arguments_invalid"
    assert web.asked == []


@pytest.mark.req("SYM-58.6")
async def test_each_caller_has_one_signature_checked_at_a_time(runtime: Runtime, web: Web, vendor: Vendor) -> None:
    async def verify(caller: Client) -> Any:
        return await caller.call_tool("verify_schema", {"schema": signed(vendor), "public_key_url": WELL_KNOWN})

    web.open.clear()
    async with served(runtime) as url, client(url, key(runtime, "customer-7")) as caller:
        first = asyncio.ensure_future(verify(caller))
        await web.came.wait()
        assert code(await verify(caller)) == "all_taken"
        web.open.set()
        assert told(await first)["valid"]
        assert told(await verify(caller))["valid"]
