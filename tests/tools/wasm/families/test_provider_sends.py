"""A provider whose `send_payload` asks its vendor over HTTP: as a tool, with what it was granted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import msgspec
import pytest

from lichen.core.components.manifest import manifest_of
from lichen.core.components.terms import Allowed, ComponentTerms
from lichen.core.ports.call import CallMeta, NotDone, Resources, produced
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Actor, Scope
from lichen.tools import Workers
from lichen.tools.egress.reach import Reach
from lichen.tools.wasm.component_tool import ComponentHost, InDoubt
from lichen.tools.wasm.families.table import FAMILIES
from lichen.tools.wasm.loading import loaded
from tests.tools.wasm.families.guests import CORE
from tests.tools.wasm.guests import ERROR, binary
from tests.tools.wasm.test_imports import REQUEST, RESPONSE, States

VENDOR = "vendor.example"
URL = f"https://{VENDOR}/messages"
OPERATIONS = ("healthcheck", "send_payload")
HEALTHY = '{"status":"healthy"}'
REFUSED = '{"ok":false,"error":{"code":"VENDOR_DOWN","message":"The vendor does not answer.","retryable":true}}'
PROVIDER = f"""
(component
  (import "greentic:http/http-client@1.0.0" (instance $http
    (type $re {ERROR}) (export "host-error" (type $host-error (eq $re)))
    (type $rq {REQUEST}) (export "request" (type $request (eq $rq)))
    (type $rs {RESPONSE}) (export "response" (type $response (eq $rs)))
    (export "send" (func (param "req" $request) (result (result $response (error $host-error)))))))
  (core module $libc
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 8192))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $send (canon lower (func $http "send") (memory $memory) (realloc $realloc)))
  (core module $m
    (import "h" "memory" (memory 1))
    (import "h" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (data (i32.const 1024) "POST") (data (i32.const 1040) "{URL}")
    (data (i32.const 2048) "{HEALTHY.replace('"', chr(92) + '"')}")
    (data (i32.const 3072) "{REFUSED.replace('"', chr(92) + '"')}")
    (func $give (param $at i32) (param $length i32) (result i32)
      (i32.store (i32.const 128) (local.get $at)) (i32.store (i32.const 132) (local.get $length)) (i32.const 128))
    (func (export "healthcheck") (result i32) (call $give (i32.const 2048) (i32.const {len(HEALTHY)})))
    (func (export "invoke") (param i32 i32 i32 i32) (result i32)
      (call $send (i32.const 1024) (i32.const 4) (i32.const 1040) (i32.const {len(URL)}) (i32.const 0) (i32.const 0)
        (i32.const 1) (local.get 2) (local.get 3) (i32.const 64))
      (if (i32.or (i32.load8_u (i32.const 64)) (i32.ge_u (i32.load16_u (i32.const 68)) (i32.const 300)))
        (then (return (call $give (i32.const 3072) (i32.const {len(REFUSED)})))))
      (call $give (i32.load (i32.const 84)) (i32.load (i32.const 88)))))
  (core instance $i (instantiate $m (with "h" (instance
    (export "memory" (memory $memory)) (export "send" (func $send))))))
  (func $healthcheck (result (list u8)) (canon lift (core func $i "healthcheck") (memory $memory) (realloc $realloc)))
  (func $invoke (param "op" string) (param "input-json" (list u8)) (result (list u8))
    (canon lift (core func $i "invoke") (memory $memory) (realloc $realloc)))
  (instance $api (export "healthcheck" (func $healthcheck)) (export "invoke" (func $invoke)))
  (export "{CORE}" (instance $api)))
"""
MANIFEST = manifest_of({
    "id": "vendor",
    "capabilities": {"host": {"http": {"client": True}}},
    "operations": [{"name": each} for each in OPERATIONS],
})  # fmt: skip


class Provider:
    """The provider's tools, whose vendor answers as it is told to."""

    def __init__(self, workers: Workers) -> None:
        self.reach, self.asked = Reach(self._resolved), list[httpx2.Request]()
        self.status, self.answer = 200, b'{"ok":true,"message":"sent"}'
        self._resources = Resources(workers, ComponentHost(States()), self.reach)
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._vendor))
        self.reach._clients[VENDOR] = client  # pyright: ignore[reportPrivateUsage]

    async def _resolved(self, name: str, port: int) -> tuple[str, ...]:
        return ("93.184.216.34",)

    def _vendor(self, request: httpx2.Request) -> httpx2.Response:
        async def body() -> AsyncGenerator[bytes]:
            yield self.answer

        self.asked.append(request)
        return httpx2.Response(self.status, content=body())

    async def ask(self, operation: str, *, http: tuple[str, ...] = (VENDOR,), **arguments: Any) -> Any:
        terms = ComponentTerms("vendor", allow=Allowed(http=http), timeout_s=5)
        tools = loaded(binary(PROVIDER), terms, FAMILIES, place="vendor.wasm", manifest=MANIFEST).tools
        tool = next(each for each in tools if each.operation == operation).bound(self._resources)
        scope, actor = Scope("acme", "dev"), Actor("agent", "bench")
        meta = CallMeta(scope, actor, RunId("run-1"), CallId("c1"), None, "key-1", 1, 5.0)
        said = await tool.execute(tool.decode(msgspec.json.encode(arguments)), meta)
        return msgspec.json.decode(produced(said).result)


@pytest.fixture
async def provider() -> AsyncGenerator[Provider]:
    async with Workers() as workers:
        held = Provider(workers)
        yield held
        await held.reach.close()


@pytest.mark.req("GRE-45.4")
async def test_a_provider_says_how_it_is_and_sends_over_http(provider: Provider) -> None:
    assert await provider.ask("healthcheck") == {"status": "healthy"}
    assert await provider.ask("send_payload", text="hello") == {"ok": True, "message": "sent"}
    (request,) = provider.asked
    assert (request.method, request.headers["Host"], request.url.path) == ("POST", VENDOR, "/messages")
    assert msgspec.json.decode(request.content) == {"text": "hello"}


@pytest.mark.req("GRE-45.4")
async def test_a_provider_whose_vendor_refuses_or_may_not_be_asked_reports_it_with_its_own_code(
    provider: Provider,
) -> None:
    with pytest.raises(NotDone) as denied:
        await provider.ask("send_payload", http=(), text="hello")
    assert (denied.value.foreign_code, denied.value.retryable, provider.asked) == ("VENDOR_DOWN", True, [])
    provider.status = 503
    with pytest.raises(NotDone) as refused:
        await provider.ask("send_payload", text="hello")
    assert (refused.value.foreign_code, refused.value.retryable) == (
        "VENDOR_DOWN",
        False,
    )  # something may have been done
    assert len(provider.asked) == 1


@pytest.mark.req("GRE-45.4")
async def test_a_provider_that_answers_what_is_no_json_after_it_sent_leaves_the_call_in_doubt(
    provider: Provider,
) -> None:
    provider.answer = b"\xff"
    with pytest.raises(InDoubt):
        await provider.ask("send_payload", text="hello")


@pytest.mark.req("GRE-45.4")
async def test_calls_of_a_provider_at_once_each_get_their_own_answer(provider: Provider) -> None:
    said = await asyncio.gather(*(provider.ask("send_payload", text=str(each)) for each in range(8)))
    assert said == [{"ok": True, "message": "sent"}] * 8
    texts = sorted(msgspec.json.decode(each.content)["text"] for each in provider.asked)
    assert texts == sorted(map(str, range(8)))
