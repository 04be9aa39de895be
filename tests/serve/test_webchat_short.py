"""The short way of what is said: it answers as the routes do, whatever comes, and waits for the disk once for all."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from lichen.channels.webchat import WebChatChannel
from lichen.core.words import faults
from lichen.core.words.ids import SessionId, StreamId
from lichen.core.words.quotas import Quotas
from lichen.core.words.scope import Operator, Scope
from lichen.engine.intake.messages import Receipt
from lichen.runtime import Runtime
from lichen.runtime.operations.talk.session import NewMessage
from lichen.runtime.operations.talk.sessions import Sessions
from lichen.runtime.project.project import Project
from lichen.serve.http.messages import Messages
from lichen.serve.http.state import Answer, Short, of_app
from lichen.serve.listen.proxies import Proxies
from lichen.serve.listen.tcp import Bounds, listening
from lichen.serve.site import make_site
from tests.declared import declaring
from tests.runtime.world import Disk
from tests.serve.widget import LINE, PREFIX, project_in, runtime_of

ACME = Scope("acme", "dev")
SHOP, OWN, STRANGE = "https://shop.test", "http://chat.test", "https://strange.test"
HEAD_BYTES_MAX = 4_096
DEEP = b"<deep>"  # stands for more brackets than anybody reads
LONG = "<long>"  # stands for 40 KB
TALKERS = 2
DEADLINE_S = 10.0


# -- two worlds: one with the short way, one without ---------------------------------------------------------------


class Seen:
    """A short way that counts what it takes, or one that takes nothing."""

    def __init__(self, short: Short) -> None:
        self._short = short
        self.path = short.path
        self.taken = 0

    def takes(self, request: HTTPConnection, body: bytes, answered: Callable[[Answer], None]) -> bool:
        is_taken = self._short.takes(request, body, answered)
        self.taken += is_taken
        return is_taken


class Talker(NamedTuple):
    conversation: str
    token: str


class World(NamedTuple):
    runtime: Runtime
    site: Starlette
    port: int

    async def talkers(self, count: int) -> list[Talker]:
        """Conversations in which something was said."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as http:
            return [await self._talker(http) for _ in range(count)]

    async def _talker(self, http: httpx.AsyncClient) -> Talker:
        token = (await http.post(f"{LINE}/tokens/generate")).json()["token"]
        opened = (await http.post(f"{LINE}/conversations", headers={"authorization": f"Bearer {token}"})).json()
        found = Talker(opened["conversationId"], opened["token"])
        said = await http.post(
            f"{LINE}/conversations/{found.conversation}/activities",
            json={"type": "message", "id": "first", "text": "hello"},
            headers={"authorization": f"Bearer {found.token}"},
        )
        assert said.status_code == 200, said.text
        await self.runtime.idle()
        return found

    @property
    def taken(self) -> int:
        """How many requests went the short way."""
        short = of_app(self.site).short
        return short.taken if isinstance(short, Seen) else 0

    def counted(self) -> dict[tuple[tuple[str, str], ...], float]:
        """How many requests of which route were answered how, as `/metrics` has it."""
        metrics = of_app(self.site).metrics
        assert metrics is not None
        samples = [each for metric in metrics.requests.collect() for each in metric.samples]
        return {tuple(each.labels.items()): each.value for each in samples if each.name.endswith("_total")}


def small(home: Path, **quotas: int) -> Project:
    home.mkdir(exist_ok=True)
    project = project_in(home, origins=(SHOP,), tokens_per_minute=100_000)
    acme = msgspec.structs.replace(project.settings.tenants["acme"], quotas=Quotas(**quotas))
    return declaring(project, tenants={**project.settings.tenants, "acme": acme})


@asynccontextmanager
async def world(home: Path, *, is_short: bool, proxies: Sequence[str] = (), **quotas: int) -> AsyncGenerator[World]:
    async with runtime_of(small(home, **quotas)) as runtime:
        site = make_site(runtime)
        state = of_app(site)
        assert state.short is not None
        state.short = Seen(state.short) if is_short else None
        bounds = Bounds(head_bytes_max=HEAD_BYTES_MAX)
        async with listening(site, "127.0.0.1", 0, bounds=bounds, proxies=Proxies(proxies)) as port:
            yield World(runtime, site, port)


# -- requests as bytes -------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A request, for any world: the talker's number stands for their conversation and token."""

    talker: int = 0
    activity: Any = None
    body: bytes | None = None
    method: str = "POST"
    line: str = LINE
    tail: str = ""
    version: str = "1.1"
    authorization: str = "Bearer {token}"
    headers: tuple[tuple[str, str], ...] = (("host", "chat.test"),)
    is_chunked: bool = False
    pieces: int = 1

    def written(self, talkers: Sequence[Talker]) -> list[bytes]:
        """The bytes of it, in as many pieces."""
        talker = talkers[self.talker]
        other = talkers[self.talker - 1]
        filled = {"token": talker.token, "other": other.token}
        path = f"{self.line}/conversations/{talker.conversation}/activities{self.tail.format(**filled)}"
        body = json.dumps(self.activity).replace(LONG, "x" * 40_000).encode() if self.body is None else self.body
        if body == DEEP:
            body = b'{"type":"message","text":"a","value":%b%b}' % (b"[" * 5_000, b"]" * 5_000)
        given = dict(self.headers)
        if self.authorization:
            given["authorization"] = self.authorization.format(**filled)
        if self.is_chunked:
            given["transfer-encoding"] = "chunked"
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        else:
            given["content-length"] = str(len(body))
        head = f"{self.method} {path} HTTP/{self.version}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in given.items())
        data = head.encode() + b"\r\n" + body
        size = -(-len(data) // (1 if "x-long" in given else self.pieces))  # in pieces it is cut off, at any of them
        return [data[i : i + size] for i in range(0, len(data), size)]


class Answered(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: str
    after: bytes = b""  # what came before the connection was closed


async def ask(port: int, request: Asked, talkers: Sequence[Talker]) -> Answered | None:
    """What a request is answered, with names in place of what differs from world to world. None where the line broke:
    whoever still sends when they are refused may miss it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE_S):
            for piece in request.written(talkers):
                writer.write(piece)
                await writer.drain()
                for _ in range(3):
                    await asyncio.sleep(0)  # what follows comes in a read of its own
            found = await read(reader, talkers, has_body=request.method != "HEAD")
            is_closed = found.headers.get("connection") == "close"
            return found._replace(after=await reader.read() if is_closed else b"")
    except (ConnectionError, asyncio.IncompleteReadError):
        return None
    finally:
        writer.close()


async def answer(port: int, request: Asked, talkers: Sequence[Talker]) -> Answered:
    """What a request is answered that has an answer."""
    found = await ask(port, request, talkers)
    assert found is not None
    return found


async def read(reader: asyncio.StreamReader, talkers: Sequence[Talker] = (), *, has_body: bool = True) -> Answered:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    if head.startswith("HTTP/1.1 100"):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = head.rstrip().split("\r\n")
    headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    size = int(headers.get("content-length", "0")) if has_body else 0
    body = (await reader.readexactly(size)).decode()
    for i, talker in enumerate(talkers):
        body = body.replace(talker.conversation, f"<{i}>")
    body = re.sub(r"report-[\w-]+", "<report>", body)
    shown = {**headers, "content-length": "*"} | ({"retry-after": "*"} if "retry-after" in headers else {})
    return Answered(int(status.split()[1]), shown, body)


# -- anything ----------------------------------------------------------------------------------------------------

TEXTS = ("Where is it?", "Grüße 👋", "a\r\nb\x07c", "", "  ", "nul\x00", LONG, None, 7)
IDS = st.sampled_from([None, "m1", "m2", "m3", "", 7, "k" * 260])

ACTIVITIES = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["message"] * 6 + ["typing", "invoke", ""]),
            "text": st.sampled_from(TEXTS[:2]) | st.sampled_from(TEXTS),
            "id": IDS,
            "channelData": st.sampled_from([None, {"clientActivityID": "c1"}, {"metadata": {"a": 1}}, LONG]),
            "value": st.sampled_from([None, None, {"amount": 5}, "pressed"]),
            "attachments": st.sampled_from([None, None, None, [], [{"contentType": "text/plain"}]]),
            "locale": st.sampled_from([None, "de-DE"]),
        }
    ),
    st.sampled_from([{}, [], "text", {"type": "message", "text": ["no"]}]),
)
PLAIN = st.fixed_dictionaries({"type": st.just("message"), "text": st.sampled_from(TEXTS[:3]), "id": IDS})

HEADERS = st.sampled_from(
    [
        (("host", "chat.test"),),
        (("host", "chat.test"), ("origin", SHOP)),
        (("host", "chat.test"), ("origin", OWN), ("content-type", "application/json")),
        (("host", "chat.test"), ("origin", STRANGE)),
        (("host", "chat.test"), ("origin", "http://[")),
        (("host", "chat.test"), ("origin", "caf\u00e9")),
        (("Host", "chat.test"), ("Accept-Language", "de"), ("X-Forwarded-Proto", "https")),
        (("host", "chat.test"), ("host ", "twice")),
        (("host", "a"), ("HOST", "b")),
        (),
        (("host", "chat.test"), ("connection", "close")),
        (("host", "chat.test"), ("expect", "100-continue")),
        (("host", "chat.test"), ("upgrade", "h2c"), ("connection", "upgrade")),
        (("host", "chat.test"), ("x-long", "a" * HEAD_BYTES_MAX)),
    ]
)


def asked(**fields: Any) -> Asked:
    return Asked(**fields)


LIKELY = st.builds(asked, talker=st.integers(0, TALKERS - 1), activity=PLAIN)
ANY = st.builds(
    asked,
    talker=st.integers(0, TALKERS - 1),
    activity=ACTIVITIES,
    body=st.sampled_from([None] * 8 + [DEEP, b"", b"{", b"\xff\xfe", b"null", b'{"type":"message","text":"a"} x']),
    method=st.sampled_from(["POST"] * 6 + ["PUT", "HEAD", "OPTIONS"]),
    line=st.sampled_from([LINE, PREFIX, LINE.replace("messaging", "web"), LINE.replace("acme", "no"), "/elsewhere"]),
    tail=st.sampled_from([""] * 6 + ["/", "?t={token}", "?t=no", "%20", "/x"]),
    version=st.sampled_from(["1.1"] * 6 + ["1.0"]),
    authorization=st.sampled_from(
        ["Bearer {token}"] * 6 + ["bearer {token}", "", "Bearer", "Bearer {other}", "Bearer no", "Basic {token}"]
    ),
    headers=HEADERS,
    is_chunked=st.booleans(),
    pieces=st.sampled_from([1, 1, 1, 2, 3]),
)


@pytest.mark.req("LIC-17.5")
def test_whatever_comes_is_answered_as_the_routes_answer_it(tmp_path: Path) -> None:
    short_taken = compared = 0

    @settings(max_examples=40, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(LIKELY | ANY, min_size=10, max_size=16))
    def holds(requests: list[Asked]) -> None:
        nonlocal short_taken
        short_taken += loop.run_until_complete(same(requests))

    async def same(requests: list[Asked]) -> int:
        nonlocal compared
        before = worlds[0].taken
        talkers = [await each.talkers(TALKERS) for each in worlds]
        for request in requests:
            short, general = [await ask(each.port, request, mine) for each, mine in zip(worlds, talkers, strict=True)]
            assert None in (short, general) or short == general, request
            compared += None not in (short, general)
            await asyncio.gather(*(each.runtime.idle() for each in worlds))
        assert worlds[0].counted() == worlds[1].counted()
        return worlds[0].taken - before

    loop = asyncio.new_event_loop()
    stack = AsyncExitStack()
    worlds: list[World] = []

    async def open_both() -> None:
        for name in ("short", "general"):
            found = await stack.enter_async_context(world(tmp_path / name, is_short=name == "short"))
            worlds.append(found)

    try:
        loop.run_until_complete(open_both())
        holds()
        assert short_taken > 50
        assert compared > 200
    finally:
        loop.run_until_complete(stack.aclose())
        loop.close()


@pytest.mark.req("LIC-17.5")
async def test_what_nobody_foresaw_is_told_and_takes_no_place_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(DEADLINE_S), world(tmp_path, is_short=True) as here:
        talkers = await here.talkers(1)
        with monkeypatch.context() as patched:
            patched.setattr(WebChatChannel, "read", _breaks)
            broken = [await answer(here.port, saying(0, f"m{i}"), talkers) for i in range(3)]
        with monkeypatch.context() as patched:
            patched.setattr(Messages, "take", _breaks)
            broken += [await answer(here.port, saying(0, f"n{i}"), talkers) for i in range(3)]
        with monkeypatch.context() as patched:
            patched.setattr("lichen.engine.intake.together.received", _breaks)
            broken += [await answer(here.port, saying(0, f"o{i}"), talkers) for i in range(3)]
        assert [each.status for each in broken] == [500] * 9
        assert len({(each.body, *each.headers.items()) for each in broken}) == 1
        assert here.taken == 6
        assert (await answer(here.port, saying(0, "p"), talkers)).status == 200


def _breaks(*given: object, **named: object) -> None:
    raise RuntimeError("nobody foresaw this")


# -- what only the short way could get wrong ------------------------------------------------------------------------


def saying(talker: int, id: str, **fields: Any) -> Asked:
    return Asked(talker, {"type": "message", "id": id, "text": f"This is {id}"}, **fields)


@pytest.mark.req("LIC-17.6")
async def test_what_comes_in_one_turn_of_the_loop_is_taken_together_and_waits_for_the_disk_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(DEADLINE_S), world(tmp_path, is_short=True) as here:
        talkers = await here.talkers(8)
        together: list[int] = []
        say = Sessions.say

        async def counted(self: Sessions, messages: Sequence[NewMessage]) -> list[Receipt | Exception]:
            together.append(len(messages))
            waits = here.runtime.engine.journal(ACME).log
            with monkeypatch.context() as patched:
                patched.setattr(waits, "durable_stream", waited := Counted(waits.durable_stream))
                found = await say(self, messages)
            assert waited.count == 1
            return found

        monkeypatch.setattr(Sessions, "say", counted)
        lines = [await asyncio.open_connection("127.0.0.1", here.port) for _ in talkers]
        for i, (_, writer) in enumerate(lines):
            writer.writelines(saying(i, f"m{i}").written(talkers))
        answers = [await read(reader, talkers) for reader, _ in lines]
        for _, writer in lines:
            writer.close()
        assert [each.status for each in answers] == [200] * 8
        assert [each.body[:11] for each in answers] == [f'{{"id":"<{i}>|' for i in range(8)]
        assert sum(together) == here.taken == 8
        assert len(together) < 8


class Counted:
    def __init__(self, inner: Callable[..., Awaitable[None]]) -> None:
        self._inner, self.count = inner, 0

    async def __call__(self, *streams: StreamId) -> None:
        self.count += 1
        await self._inner(*streams)


@pytest.mark.req("LIC-17.6")
async def test_one_that_is_refused_keeps_no_other_from_being_taken(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S), world(tmp_path, is_short=True) as here:
        talkers = await here.talkers(3)
        journal = here.runtime.engine.journal(ACME)
        rows = journal.log.stream_rows("session", limit=3)
        gone = here.runtime.sessions.get(ACME, SessionId(rows[0].id), Operator("ops", ("operator",)))
        await gone.close()
        lines = [await asyncio.open_connection("127.0.0.1", here.port) for _ in talkers]
        for i, (_, writer) in enumerate(lines):
            writer.writelines(saying(i, f"m{i}").written(talkers))
        answers = [await read(reader, talkers) for reader, _ in lines]
        for _, writer in lines:
            writer.close()
        assert sorted(each.status for each in answers) == [200, 200, 409]
        assert here.taken == 3


@pytest.mark.req("LIC-17.5", "SYM-97.26")
async def test_who_talks_too_fast_is_told_so_on_both_ways(tmp_path: Path) -> None:
    for is_short in (True, False):
        home = tmp_path / str(is_short)
        async with asyncio.timeout(DEADLINE_S), world(home, is_short=is_short, messages_per_minute=3) as here:
            talkers = await here.talkers(1)
            answers = [await answer(here.port, saying(0, f"m{i}"), talkers) for i in range(4)]
            assert [each.status for each in answers] == [200, 200, 429, 429]
            assert answers[2].headers["retry-after"] == "*"
            assert json.loads(answers[2].body)["error"]["code"] == "messages_too_many"
            assert here.taken == (4 if is_short else 0)


@pytest.mark.req("LIC-17.5")
async def test_a_client_behind_a_trusted_proxy_is_the_one_it_names_on_both_ways(tmp_path: Path) -> None:
    for is_short in (True, False):
        home, quotas = tmp_path / str(is_short), {"messages_per_minute_address": 2}
        here_is = world(home, is_short=is_short, proxies=("127.0.0.1",), **quotas)
        async with asyncio.timeout(DEADLINE_S), here_is as here:
            talkers = await here.talkers(1)

            async def say(id: str, client: str, here: World = here, talkers: list[Talker] = talkers) -> Answered:
                named = (("host", "chat.test"), ("x-forwarded-for", client), ("x-forwarded-proto", "https"))
                return await answer(here.port, saying(0, id, headers=named), talkers)

            answers = [await say(f"a{i}", "192.0.2.1") for i in range(3)] + [await say("b", "192.0.2.2")]
            assert [each.status for each in answers] == [200, 200, 429, 200]
            assert all("strict-transport-security" in each.headers for each in answers)
            assert here.taken == (4 if is_short else 0)


@pytest.mark.req("LIC-17.5")
async def test_requests_sent_before_the_answer_are_answered_in_their_order(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S), world(tmp_path, is_short=True) as here:
        talkers = await here.talkers(1)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        for i in range(4):
            writer.writelines(saying(0, f"m{i}").written(talkers))
        answers = [await read(reader, talkers) for _ in range(4)]
        writer.close()
        await here.runtime.idle()
        numbers = [int(json.loads(each.body)["id"].partition("|")[2]) for each in answers]
        assert numbers == sorted(set(numbers))
        assert here.taken >= 1


@pytest.mark.req("LIC-17.5")
async def test_a_message_that_was_begun_is_answered_when_the_door_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    say = Sessions.say

    async def slowly(self: Sessions, messages: Sequence[NewMessage]) -> list[Receipt | Exception]:
        begun.set()
        await may_end.wait()
        return await say(self, messages)

    async with asyncio.timeout(DEADLINE_S), runtime_of(small(tmp_path)) as runtime:
        site = make_site(runtime)
        async with listening(site, "127.0.0.1", 0) as port:
            here = World(runtime, site, port)
            talkers = await here.talkers(1)
            monkeypatch.setattr(Sessions, "say", slowly)
            asked = asyncio.ensure_future(answer(port, saying(0, "m1"), talkers))
            await begun.wait()
            asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(may_end.set))
        found = await asked
        assert (found.status, found.headers.get("connection"), found.after) == (200, "close", b"")


@pytest.mark.req("LIC-17.5")
async def test_a_volume_that_fails_is_told_to_each_whose_message_was_not_kept(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S), world(tmp_path, is_short=True) as here:
        talkers = await here.talkers(2)
        disk = Disk()
        try:
            disk.is_full = True
            answers = await asyncio.gather(*(answer(here.port, saying(i, "m1"), talkers) for i in range(2)))
        finally:
            disk.is_full = False
            faults.install(None)
        assert [each.status for each in answers] == [503, 503]
        assert [each.headers["retry-after"] for each in answers] == ["*", "*"]
        assert here.taken == 2
