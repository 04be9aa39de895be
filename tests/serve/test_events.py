"""A run's records as server-sent events, over a real port: all of them, once, in order, and no longer than needed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, nullcontext
from typing import Any, NamedTuple

import httpx
import pytest

from lichen.core.words.ids import RunId, StreamId, run_stream
from lichen.core.words.scope import SYSTEM, Actor, Operator, Scope
from lichen.log.records.record import Place, Record
from lichen.log.views.queries import Queries
from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http import sse
from lichen.serve.http.auth import by_owner
from lichen.serve.listen.tcp import listening
from lichen.serve.site import make_site
from tests.runtime.world import until
from tests.serve.asgi import Door
from tests.serve.browser import browser, enter, issue
from tests.serve.talk import STATUS, held, say, session

ACME = Scope("acme", "dev")
OPS: Actor = Operator("ops", ("operator",))


class Event(NamedTuple):
    id: Place
    type: str
    data: Any


def place(id: str) -> Place:
    return Place(*map(int, id.split(".")))


class Frames:
    """A stream as a browser reads it."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.signed = asyncio.Event()  # a sign of life came

    async def next(self) -> Event | None:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line and "data" in fields:
                return Event(place(fields["id"]), fields["event"], json.loads(fields["data"]))
            name, _, value = line.partition(": ")
            if line and not name:
                self.signed.set()
            fields = {**fields, name: value} if line else {}
        return None

    async def all(self) -> list[Event]:
        found: list[Event] = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


@asynccontextmanager
async def door_to(runtime: Runtime) -> AsyncGenerator[httpx.AsyncClient]:
    async with (
        asyncio.timeout(30),
        listening(make_site(runtime), "127.0.0.1", 0) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/api/v1",
            headers={"authorization": f"Bearer {issue(runtime)}"},
            timeout=20,
        ) as client,
    ):
        yield client


@asynccontextmanager
async def reading(client: httpx.AsyncClient, run: str, query: str = "", **headers: str) -> AsyncGenerator[Frames]:
    async with client.stream("GET", f"/runs/{run}/events{query}", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Frames(response)


async def asked(runtime: Runtime) -> str:
    """A run that is finished."""
    door = Door(make_app(runtime, identify=by_owner(runtime)))
    customer = door.of("acme", "customer-7")
    await say(customer, await session(customer), STATUS)
    await runtime.idle()
    return runtime.runs.list(ACME, SYSTEM)[0].id


@pytest.mark.req("GOA-52.1")
async def test_a_finished_runs_stream_holds_every_record_once_in_order_and_ends(runtime: Runtime) -> None:
    run = await asked(runtime)
    async with door_to(runtime) as client, reading(client, run) as frames:
        found = await frames.all()
        shown = (await client.get(f"/runs/{run}")).json()["records"]
    assert [event.data for event in found[:-1]] == shown
    assert [(event.id, event.type) for event in found[:-1]] == [(Place(r["seq"], r["i"]), r["type"]) for r in shown]
    assert found[-1].type == "end"


@pytest.mark.req("GOA-52.2")
@pytest.mark.parametrize("way", ["header", "query", "what is stored together"])
async def test_a_reader_goes_on_where_it_left_off(runtime: Runtime, way: str) -> None:
    run = await asked(runtime)
    async with door_to(runtime) as client:
        async with reading(client, run) as frames:
            every = await frames.all()
        for at, seen in enumerate(every[:-1]):
            whole = way == "what is stored together"
            headers = {"last-event-id": str(seen.id)} if way == "header" else {}
            query = "?after=0" if way == "header" else f"?after={seen.id.seq}" if whole else f"?after={seen.id}"
            rest = [e for e in every[:-1] if e.id.seq > seen.id.seq] if whole else every[at + 1 : -1]
            async with reading(client, run, query, **headers) as frames:
                assert await frames.all() == [*rest, every[-1]]
    assert any(event.id.i for event in every)  # it was left in the midst of what is stored together, too


@pytest.mark.req("GOA-52.2")
async def test_a_page_of_a_run_that_goes_on_follows_from_the_very_record_it_shows_last(runtime: Runtime) -> None:
    door = Door(make_app(runtime, identify=by_owner(runtime)))
    wait = await held(runtime, door)
    async with browser(make_site(runtime)) as client:
        await enter(client, issue(runtime))
        page = (await client.get(f"/console/runs/{wait['run']}")).text
    last = runtime.log(ACME).records(run_stream(RunId(wait["run"])))[-1]
    assert f"/events?after={last.place}" in page


@pytest.mark.req("GOA-54.1")
async def test_with_its_session_the_answer_comes_before_the_end(runtime: Runtime) -> None:
    run = await asked(runtime)
    async with door_to(runtime) as client, reading(client, run, "?session=1") as frames:
        found = await frames.all()
    types = [event.type for event in found]
    assert {"message_received", "turn_opened", "run_finished", "message_queued", "turn_closed"} <= set(types)
    assert types[-1] == "end"
    assert [event.id for event in found[:-1]] == sorted({event.id for event in found[:-1]})


@pytest.mark.req("GOA-52.1")
async def test_what_happens_later_comes_as_it_happens(runtime: Runtime) -> None:
    door = Door(make_app(runtime, identify=by_owner(runtime)))
    wait = await held(runtime, door)
    async with door_to(runtime) as client, reading(client, wait["run"], "?session=1") as frames:
        seen: list[str] = []
        while "wait_opened" not in seen:
            event = await frames.next()
            assert event is not None
            seen.append(event.type)
        await runtime.waits.approve(ACME, wait["id"], OPS)
        rest = [event.type for event in await frames.all()]
    assert rest.index("wait_closed") < rest.index("call_started") < rest.index("run_finished") < rest.index("end")
    assert "message_queued" in rest


async def test_one_who_follows_stays_after_the_end(runtime: Runtime) -> None:
    run = await asked(runtime)
    async with door_to(runtime) as client, reading(client, run, "?follow=1&session=1") as frames:
        event = await frames.next()
        while event is not None and event.type != "turn_closed":
            event = await frames.next()
        await asked(runtime)
        later = await frames.next()
        assert later is not None
        assert later.type != "end"


@pytest.mark.req("GOA-52.3")
async def test_a_quiet_stream_gives_signs_of_life_until_its_key_is_revoked(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "BEAT_S", 0.02)
    door = Door(make_app(runtime, identify=by_owner(runtime)))
    wait = await held(runtime, door)
    async with door_to(runtime) as client, reading(client, wait["run"]) as frames:
        while (event := await frames.next()) is not None and event.type != "wait_opened":
            pass
        nothing = asyncio.ensure_future(frames.next())
        await frames.signed.wait()
        assert not nothing.done()
        for key in runtime.keyring.api_keys.list():
            runtime.keyring.api_keys.revoke(key.id)
        assert await nothing is None


@pytest.mark.req("SYM-97.30")
async def test_records_are_read_only_as_the_reader_takes_them(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await asked(runtime)
    read, sent, may_go_on = list[int](), list[bytes](), asyncio.Event()
    after_in = Queries.after_in

    def counted(queries: Queries, streams: Iterable[StreamId], seq: int, limit: int) -> list[Record]:
        found = after_in(queries, streams, seq, limit)
        read.append(len({record.seq for record in found}))
        return found

    async def send(message: Any) -> None:
        if message.get("body"):
            sent.append(message["body"])
            if len(sent) == 2:
                await may_go_on.wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(Queries, "after_in", counted)
    monkeypatch.setattr("lichen.log.feed.PAGE", 1)
    feed = runtime.runs.follow(ACME, RunId(run), OPS)
    holding = runtime.register.holding
    frames = sse.run_frames(feed, Place(0), follows=False, closing=asyncio.Event(), holding=holding)
    stream = sse.EventStream(frames, slot=nullcontext())
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"spec_version": "2.4"},
        "method": "GET",
        "path": "/",
        "headers": [],
    }
    serving = asyncio.ensure_future(stream(scope, receive, send))
    await until(lambda: len(sent) == 2)
    await asyncio.sleep(0.05)
    assert read == [1], "one page, although there are more"
    may_go_on.set()
    await serving
    assert sum(read) > 1
    assert sent[-1].startswith(b"id: ")


@pytest.mark.req("SYM-107.1")
async def test_streams_end_when_the_door_closes(runtime: Runtime) -> None:
    door = Door(make_app(runtime, identify=by_owner(runtime)))
    wait = await held(runtime, door)
    key = issue(runtime)
    async with asyncio.timeout(20), httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}) as client:
        site = make_site(runtime)
        async with listening(site, "127.0.0.1", 0) as port:
            url = f"http://127.0.0.1:{port}/api/v1/runs/{wait['run']}/events"
            request = client.build_request("GET", url)
            response = await client.send(request, stream=True)
            frames = Frames(response)
            assert await frames.next() is not None
        assert "end" not in [event.type for event in await frames.all()]
        await response.aclose()


@pytest.mark.req("GOA-52.3")
async def test_no_more_streams_are_open_than_may_be_and_each_gives_its_place_back(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lichen.serve.http.state.STREAMS_MAX_EACH", 1)
    door = Door(make_app(runtime, identify=by_owner(runtime)))
    wait = await held(runtime, door)
    async with door_to(runtime) as client:
        url = f"/runs/{wait['run']}/events"
        async with reading(client, wait["run"]) as frames:
            assert await frames.next() is not None
            refused = await client.get(url)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "all_taken")
        while (await client.head(url)).status_code == 429:
            pass


@pytest.mark.req("SYM-97.6")
async def test_another_tenants_run_and_a_position_that_is_none_are_refused(runtime: Runtime) -> None:
    run = await asked(runtime)
    async with door_to(runtime) as client:
        foreign = {"authorization": f"Bearer {issue(runtime, 'globex')}"}
        assert (await client.get(f"/runs/{run}/events", headers=foreign)).status_code == 404
        assert (await client.get("/runs/run-none/events")).status_code == 404
        assert (await client.get(f"/runs/{run}/events", headers={"last-event-id": "x"})).status_code == 400
        customer = {"authorization": f"Bearer {issue(runtime, kind='customer', actor='customer-7')}"}
        assert (await client.get(f"/runs/{run}/events", headers=customer)).status_code == 403
