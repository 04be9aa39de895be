"""What answers of an API mean, from a server that says and does anything."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import RESULT_BYTES_MAX, NotDone, Resources
from lichen.core.words.scope import Scope
from lichen.tools.egress import addresses
from lichen.tools.egress.reach import Reach
from lichen.tools.openapi.answers import InDoubt, Malformed
from tests.served import free_port
from tests.tools.openapi.apis import Answer, called, document, meta, saying, serving, tool_of


async def asked(method: str, answer: Answer, **said: Any) -> Any:
    """What one call of an operation brings."""
    async with serving(answer) as api:
        return await called(tool_of(document("/a", method, **said), api.url), {})


async def refused(method: str, answer: Answer) -> tuple[str, bool, str]:
    with pytest.raises(NotDone) as error:
        await asked(method, answer)
    return error.value.code, error.value.retryable, error.value.recovery


def promising(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"content": {"application/json": {"schema": schema}}}}


@pytest.mark.req("LIC-20.34")
async def test_json_is_the_result_as_it_is_and_text_and_nothing_are_objects() -> None:
    assert await asked("get", saying("200 OK", b'{"a": [1, null]}')) == {"a": [1, None]}
    assert await asked("get", saying("200 OK", b"[1]", "application/vnd.api+json; charset=utf-8")) == [1]
    assert await asked("get", saying("200 OK", "Grüße".encode(), "text/plain")) == {"text": "Grüße"}
    assert await asked("delete", saying("204 No Content")) == {"status": 204}


@pytest.mark.req("LIC-20.34")
@pytest.mark.parametrize(
    ("status", "code", "retryable", "recovery"),
    [
        (400, "invalid_call", False, "correct_call"),
        (401, "api_refuses", False, "finish"),
        (403, "api_refuses", False, "finish"),
        (404, "not_found", False, "replan"),
        (409, "conflict", False, "replan"),
        (418, "domain_rejection", False, "replan"),
        (422, "invalid_call", False, "correct_call"),
        (429, "api_busy", True, "replan"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
async def test_what_the_server_refuses_was_not_done(
    method: str, status: int, code: str, retryable: bool, recovery: str
) -> None:
    assert await refused(method, saying(f"{status} No", b"{}")) == (code, retryable, recovery)


@pytest.mark.req("LIC-20.34")
@pytest.mark.parametrize("status", [301, 307, 500, 503])
async def test_after_a_failure_only_what_changes_nothing_was_certainly_not_done(status: int) -> None:
    answer = saying(f"{status} No", location="http://169.254.169.254/latest")
    assert (await refused("get", answer))[0] in ("api_failed", "api_redirects")
    for method in ("post", "patch", "put", "delete"):
        with pytest.raises(InDoubt):
            await asked(method, answer)


@pytest.mark.req("LIC-20.35")
async def test_no_redirect_is_followed() -> None:
    async with serving(saying("200 OK", b'{"secret": 1}')) as inside:
        assert (await refused("get", saying("302 Found", location=f"{inside.url}/a")))[0] == "api_redirects"
        assert inside.requests == []


@pytest.mark.req("LIC-20.34")
async def test_what_an_error_says_is_told_within_bounds() -> None:
    body = msgspec.json.encode({"title": "No", "detail": "Too late\x00" + "x" * 5_000})
    with pytest.raises(NotDone) as error:
        await asked("post", saying("409 Conflict", body, "application/problem+json"))
    assert error.value.message.startswith("The API answered with status 409. Too late xxx")
    assert len(error.value.message) < 2_100


@pytest.mark.req("LIC-20.35")
async def test_a_giant_packed_or_broken_answer_costs_its_call_only() -> None:
    giant = b'"' + b"x" * RESULT_BYTES_MAX + b'"'
    packed = saying("200 OK", gzip.compress(b"{}"), content_encoding="gzip")
    deep = saying("200 OK", b"[" * 100 + b"]" * 100)
    for answer in (
        saying("200 OK", giant),
        packed,
        deep,
        saying("200 OK", b"{nonsense"),
        saying("200 OK", b"\x89", "image/png"),
    ):
        assert (await refused("get", answer))[0] == "answer_unreadable"
        assert await asked("post", answer) == {"status": 200}  # it was carried out, whatever is said of it


@pytest.mark.req("LIC-20.34")
async def test_what_is_read_has_to_be_what_the_document_promises() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    assert await asked("get", saying("200 OK", b'{"n": 1}'), responses=promising(schema)) == {"n": 1}
    with pytest.raises(Malformed):
        await asked("get", saying("200 OK", b'{"n": "1"}'), responses=promising(schema))
    async with serving(saying("200 OK", b'{"n": "1"}')) as api:
        lax = tool_of(document(responses=promising(schema)), api.url, operations={"GET /things": {"answers": "any"}})
        assert await called(lax, {}) == {"n": "1"}
    assert await asked("post", saying("200 OK", b'{"n": "1"}'), responses=promising(schema)) == {"n": "1"}


@pytest.mark.req("LIC-20.34")
async def test_a_broken_connection_leaves_what_acts_in_doubt() -> None:
    async def cut(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()

    assert await refused("get", cut) == ("api_failed", True, "replan")
    with pytest.raises(InDoubt):
        await asked("post", cut)


@pytest.mark.req("LIC-20.34")
async def test_what_cannot_be_connected_to_was_never_asked() -> None:
    tool = tool_of(document("/a", "post"), f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotDone) as error:
        await called(tool, {})
    assert (error.value.code, error.value.retryable) == ("api_unreachable", True)


@pytest.mark.req("LIC-20.35")
async def test_a_server_that_answers_drop_by_drop_is_left_in_time() -> None:
    async def drops(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(drops) as api:
        tool = tool_of(document("/a", "get"), api.url)
        with pytest.raises(TimeoutError):
            await called(tool, {}, msgspec.structs.replace(meta(), timeout_s=0.2))


@pytest.mark.req("LIC-20.32")
async def test_each_environment_is_asked_at_its_own_url() -> None:
    async with serving(saying("200 OK", b'"dev"')) as dev, serving(saying("200 OK", b'"acme"')) as acme:
        api = {"urls": {"dev": dev.url, "acme/test": acme.url}}
        tool = tool_of(document(), "", **api)
        there = {name: msgspec.structs.replace(meta(), scope=scope) for name, scope in scopes().items()}
        assert (await called(tool, {}, there["dev"]), await called(tool, {}, there["test"])) == ("dev", "acme")
        with pytest.raises(NotDone) as error:
            await called(tool, {}, there["prod"])
        assert error.value.code == "api_not_here"


def scopes() -> dict[str, Scope]:
    return {env: Scope("acme", env) for env in ("dev", "test", "prod")}


@pytest.mark.req("LIC-20.35")
async def test_a_name_that_leads_into_our_own_network_is_not_asked_unless_that_is_meant() -> None:
    found = iter((("127.0.0.1",), ("169.254.169.254",), ("8.8.8.8", "10.0.0.1"), ("::ffff:127.0.0.1",)))

    async def resolve(name: str, port: int) -> tuple[str, ...]:
        return next(found)

    async with serving(saying("200 OK", b"{}")) as api:
        named = api.url.replace("127.0.0.1", "api.example.com")
        tool = tool_of(document(), named).bound(Resources(Reach(resolve)))
        for _ in range(4):
            with pytest.raises(NotDone) as refused:
                await called(tool, {})
            assert refused.value.code == "address_denied"
        assert api.requests == []
        meant = api.url.replace("127.0.0.1", "localhost")
        assert await called(tool_of(document(), meant, private=True), {}) == {}
        with pytest.raises(NotDone):
            await called(tool_of(document(), meant), {})


@pytest.mark.req("LIC-20.35")
async def test_what_was_looked_at_is_what_is_connected_to_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(name: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    monkeypatch.setattr(addresses, "_is_public", lambda address: True)  # pyright: ignore[reportUnknownLambdaType,reportUnknownArgumentType]
    async with serving(saying("200 OK", b"{}")) as api:
        named = api.url.replace("127.0.0.1", "api.example.com")
        assert await called(tool_of(document(), named).bound(Resources(Reach(resolve))), {}) == {}
    port = api.url.rpartition(":")[2]
    assert f"\r\nhost: api.example.com:{port}\r\n".encode() in api.requests[0].lower()


async def test_hosts_at_one_address_share_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(name: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    monkeypatch.setattr(addresses, "_is_public", lambda address: True)  # pyright: ignore[reportUnknownLambdaType,reportUnknownArgumentType]
    reach = Reach(resolve)
    async with serving(saying("200 OK", b"{}")) as api:
        for host in ("a.example.com", "b.example.com", "a.example.com"):
            tool = tool_of(document(), api.url.replace("127.0.0.1", host)).bound(Resources(reach))
            assert await called(tool, {}) == {}
    assert set(reach._clients) == {"a.example.com", "b.example.com"}  # pyright: ignore[reportPrivateUsage]
    await reach.close()


async def test_a_runtime_lets_go_of_its_connections() -> None:
    reach = Reach()
    await reach.close()
    async with serving(saying("200 OK", b"{}")) as api:
        tool = tool_of(document(), api.url).bound(Resources(reach))
        assert await called(tool, {}) == {}
    await reach.close()
    assert reach._clients == {}  # pyright: ignore[reportPrivateUsage]
