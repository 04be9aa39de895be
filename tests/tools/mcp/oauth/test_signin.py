"""Signing in at a real authorization server, and what is done with what it issued, and what is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import msgspec
import pytest

from lichen.core.remote.server import OAuth, Server
from lichen.core.words.errors import Unavailable
from lichen.tools.mcp.connection import Connection
from lichen.tools.mcp.http import check_elsewhere
from lichen.tools.mcp.oauth.bearer import Bearer, Signed
from lichen.tools.mcp.oauth.signin import sign_in
from tests.served import free_port
from tests.tools.mcp.oauth.memory import Memory
from tests.tools.mcp.test_connection import meta, tool_of
from tests.tools.mcp.test_http import wait_for

LIBRARY = Path(__file__).with_name("library.py")
URL = "https://books.example/mcp"


@pytest.fixture
def library() -> Generator[Server]:
    """The library on a port, in a process of its own. What it issues expires in an hour."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(LIBRARY), str(port), "3600"], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield Server("strange", url=f"http://127.0.0.1:{port}/mcp", oauth=OAuth(), timeout_s=20)
    finally:
        process.kill()
        process.wait(10)


class Person:
    """Opens every address at once, as a browser does. `shown` are the addresses."""

    def __init__(self, change: Callable[[str], str] = lambda address: address) -> None:
        self.shown: list[str] = []
        self._change = change
        self._opening: set[asyncio.Task[None]] = set()

    async def open(self, address: str) -> None:
        self.shown.append(address)
        self._opening.add(asyncio.ensure_future(self._open(address)))

    async def _open(self, address: str) -> None:
        async with httpx.AsyncClient(timeout=20) as browser:
            sent = await browser.get(address)
            await browser.get(self._change(sent.headers["location"]))


@asynccontextmanager
async def connected(server: Server, tokens: Memory) -> AsyncGenerator[Connection]:
    async def reveal(name: str) -> str:
        return name

    connection = Connection(server, reveal, asyncio.get_running_loop().time, tokens)
    try:
        yield connection
    finally:
        await connection.close()


async def found(server: Server, tokens: Memory) -> bytes:
    async with connected(server, tokens) as connection:
        tool = await tool_of(connection, "find")
        return (await tool.execute(tool.decode(b'{"title":"Dune"}'), meta())).result


@pytest.mark.req("SYM-57.4")
async def test_what_a_person_signed_in_for_is_used_kept_and_renewed_where_it_came_from(library: Server) -> None:
    person, tokens = Person(), Memory()
    first = await sign_in(library, person.open, now_s=tokens.now_s)
    asked = parse_qs(urlsplit(person.shown[0]).query)
    assert (asked["code_challenge_method"], asked["resource"]) == (["S256"], [library.url])
    await tokens.keep(msgspec.json.encode(first))
    assert b"shelf B7" in await found(library, tokens)
    assert len(tokens.kept) == 1
    tokens.at_s += 3_590  # a moment before it expires
    assert b"shelf B7" in await found(library, tokens)
    renewed = msgspec.json.decode(tokens.kept[-1], type=Signed)
    assert len(tokens.kept) == 2
    assert renewed.access_token != first.access_token
    assert renewed.expires_s == tokens.at_s + 3_600


@pytest.mark.req("SYM-57.4")
async def test_where_nobody_signed_in_the_next_step_says_how(library: Server) -> None:
    with pytest.raises(Unavailable) as needed:
        await found(library, Memory())
    assert (needed.value.code, needed.value.next_step) == ("sign_in_needed", "lichen tools login strange")


@pytest.mark.req("SYM-57.5")
@pytest.mark.parametrize(
    ("word", "other"),
    [("state=", "state=x"), ("iss=http", "iss=https"), ("code=", "code=x"), ("code=", "error=access_denied&x=")],
    ids=["another state", "another issuer", "another code", "refused"],
)
async def test_somebody_who_comes_back_with_something_else_is_not_signed_in(
    library: Server, word: str, other: str
) -> None:
    person = Person(lambda back: back.replace(word, other))
    with pytest.raises(Unavailable) as failed:
        await sign_in(library, person.open, now_s=Memory().now_s)
    assert failed.value.code == "sign_in_failed"


# -- tokens ------------------------------------------------------------------------------------------------------


def signed(**said: Any) -> Signed:
    plain = Signed(
        URL, "https://door.example", "https://door.example/token", URL, "c1", "", "none", "a1", "r1", "", 0.0
    )
    return msgspec.structs.replace(plain, **said)


async def asked(
    answers: Callable[[httpx2.Request], httpx2.Response], token: Signed | None, url: str = URL, **server: Any
) -> tuple[httpx2.Response, Memory]:
    """What a request with the token comes to, and the tokens after it."""
    tokens = Memory()
    if token is not None:
        await tokens.keep(msgspec.json.encode(token))
    auth = Bearer(Server("books", url=URL, **server), tokens)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answers), auth=auth) as client:
        return await client.get(url), tokens


def door(*seen: httpx2.Request) -> Callable[[httpx2.Request], httpx2.Response]:
    """A server that takes the token `a2`, and an authorization server that renews once."""
    requests: list[httpx2.Request] = list(seen)

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        if request.url.host == "door.example":
            said = parse_qs(request.content.decode())
            assert (said["resource"], said["refresh_token"]) == ([URL], ["r1"])
            assert "authorization" not in request.headers
            return httpx2.Response(200, json={"access_token": "a2", "token_type": "Bearer", "expires_in": 60})
        return httpx2.Response(200 if request.headers["authorization"] == "Bearer a2" else 401)

    return answer


Answers = Callable[[httpx2.Request], httpx2.Response]


def closed(door: Answers) -> Answers:
    """A server that takes no token, beside an authorization server."""
    return lambda request: door(request) if request.url.host == "door.example" else httpx2.Response(401)


@pytest.mark.req("SYM-57.4")
async def test_a_token_that_is_refused_is_renewed_once() -> None:
    response, tokens = await asked(door(), signed())
    assert response.status_code == 200
    assert msgspec.json.decode(tokens.kept[-1], type=Signed) == signed(access_token="a2", expires_s=1_060.0)
    response, tokens = await asked(closed(door()), signed())
    assert (response.status_code, len(tokens.kept)) == (401, 2)


@pytest.mark.req("SYM-57.5")
@pytest.mark.parametrize(
    ("token", "url", "server"),
    [
        (None, URL, {}),
        (signed(url="https://other.example/mcp"), URL, {}),
        (signed(), "https://books.example:444/mcp", {}),
        (signed(), "http://books.example/mcp", {}),
        (signed(), "https://evil.example/mcp", {}),
        (signed(), URL, {"oauth": OAuth(issuer="https://another.example")}),
        (signed(refresh_token="", expires_s=500.0), URL, {}),
    ],
    ids=["none", "of another address", "port", "scheme", "host", "of another issuer", "expired"],
)
async def test_a_token_goes_to_the_address_it_was_issued_for_and_nowhere_else(
    token: Signed | None, url: str, server: dict[str, Any]
) -> None:
    def never(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError(f"nothing is sent: {request.url}")

    with pytest.raises(Unavailable) as needed:
        await asked(never, token, url, **server)
    assert needed.value.code == "sign_in_needed"


@pytest.mark.req("SYM-57.5")
async def test_what_is_not_renewed_any_more_wants_another_sign_in() -> None:
    for answer in (httpx2.Response(400, json={"error": "invalid_grant"}), httpx2.Response(200, content=b"<html>")):
        with pytest.raises(Unavailable, match="not renewed any more"):
            await asked(closed(lambda request, answer=answer: answer), signed())


@pytest.mark.req("SYM-57.5")
@pytest.mark.parametrize(
    ("server", "url", "may"),
    [
        (URL, "https://door.example/token", True),
        (URL, "http://door.example/token", False),
        (URL, "https://169.254.169.254/latest", False),
        (URL, "https://10.0.0.1/", False),
        (URL, "https://[::1]/", False),
        (URL, "http://127.0.0.1:8080/", False),
        (URL, "https://localhost/", False),
        ("http://127.0.0.1:1/mcp", "http://127.0.0.1:2/token", True),
        ("http://127.0.0.1:1/mcp", "http://10.0.0.1/token", False),
        ("http://10.0.0.1/mcp", "http://10.0.0.1/register", True),
        ("http://10.0.0.1/mcp", "http://10.0.0.1:81/register", False),
    ],
)
def test_a_server_leads_nobody_into_a_private_network(server: str, url: str, may: bool) -> None:
    if may:
        check_elsewhere(httpx2.URL(server), httpx2.URL(url))
    else:
        with pytest.raises(httpx2.UnsupportedProtocol):
            check_elsewhere(httpx2.URL(server), httpx2.URL(url))
