"""One thing looks the same wherever it is asked for: over the API, in the twin of its page, from the command line."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from lichen.cli.app import app
from lichen.cli.here.connection import Connection
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import RunId
from lichen.core.words.scope import SYSTEM, Customer
from lichen.runtime.runtime import Runtime
from lichen.runtime.views.run import RunStatus
from tests.serve.asgi import Door
from tests.serve.console import ACME, OPS, signed_in

SEEDS = (1, 7, 42)
STEPS = 24
CUSTOMERS = ("customer-7", "customer-8", "customer-9")
TEXTS = (
    "Where is order 1042?",
    "I want a refund of 20 EUR for order 1042.",
    "I want a refund of 80 EUR for order 1042.",
    "I want a refund of 200 EUR for order 1042.",
    "I want a refund.",
    "never mind",
    "I want to talk to a person.",
    "5",
    "null",
    '{"amount": 5}',
)
OPEN: tuple[RunStatus, ...] = ("running", "waiting")


class History:
    """Things that happen in a shop, drawn by chance."""

    def __init__(self, runtime: Runtime, seed: int) -> None:
        self._runtime, self._random = runtime, random.Random(seed)

    async def happen(self) -> None:
        acts = (self._say, self._say, self._say, self._start, self._decide, self._steer, self._stop)
        for _ in range(STEPS):
            try:
                await self._random.choice(acts)()
            except LichenError:
                continue  # what may not happen now did not
            finally:
                await self._runtime.idle()
        await self._certain()
        await self._runtime.people.erase(ACME, Customer("customer-9"), OPS, force=True)
        await self._runtime.idle()
        await self._runtime.log(ACME).durable()

    async def _certain(self) -> None:
        """One refund that a person agreed to, one that they refused, one that nobody answered; and a stop."""
        for stop in self._runtime.stops.list(ACME, OPS):
            await self._runtime.stops.clear(ACME, stop.kind, stop.name, OPS)
        approve, deny = self._runtime.waits.approve, self._runtime.waits.deny
        for who, order, decide in (("7", "1042", approve), ("8", "1052", deny), ("8", "1055", None)):
            session = await self._runtime.sessions.open(ACME, Customer(f"customer-{who}"), agent="shop.support")
            await (await session.say(f"I want a refund of 80 EUR for order {order}.")).result()
            await self._runtime.idle()
            if decide is not None:
                await decide(ACME, self._runtime.waits.list(ACME, OPS)[-1].id, OPS, note="so be it")
                await self._runtime.idle()
        await self._runtime.stops.set(ACME, "agent", "shop.welcome", OPS, reason="ticket 7")

    async def _say(self) -> None:
        who = Customer(self._random.choice(CUSTOMERS))
        agent = self._random.choice(("shop.support", "shop.welcome"))
        session = await self._runtime.sessions.open(ACME, who, agent=agent, key=agent)
        await session.say(self._random.choice(TEXTS))

    async def _start(self) -> None:
        who = Customer(self._random.choice(CUSTOMERS))
        await self._runtime.runs.start(ACME, "shop.support", self._random.choice(TEXTS), who)

    async def _decide(self) -> None:
        wait = self._random.choice(self._runtime.waits.list(ACME, OPS) or [None])
        if wait is not None:
            decide = self._random.choice((self._runtime.waits.approve, self._runtime.waits.deny))
            await decide(ACME, wait.id, OPS, note="as it should be")

    async def _steer(self) -> None:
        runs = [run.id for run in self._runtime.runs.list(ACME, SYSTEM) if run.status in OPEN]
        if runs:
            act = self._random.choice((self._runtime.runs.pause, self._runtime.runs.resume, self._runtime.runs.cancel))
            await act(ACME, self._random.choice(runs), OPS)

    async def _stop(self) -> None:
        set_now = self._runtime.stops.list(ACME, OPS)
        if set_now:
            await self._runtime.stops.clear(ACME, set_now[0].kind, set_now[0].name, OPS)
        else:
            await self._runtime.stops.set(ACME, "tool", "orders.lookup", OPS, reason="it lies")


class Faces:
    """The three ways to the same thing, as operator `ops` of acme."""

    def __init__(self, door: Door, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
        self._door, self._client, self._capsys = door.of("acme", "ops"), client, capsys

    async def api(self, path: str) -> Any:
        answer = await self._door.get(path)
        assert answer.status == 200, (path, answer.body)
        return answer.data

    async def twin(self, path: str) -> Any:
        answer = await self._client.get(f"/console/{path}.json")
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    async def command(self, *arguments: str, tenant: bool = True) -> Any:
        """What a command writes for programs; one document, or one a line."""
        who = ("--tenant", "acme", "--as", "ops") if tenant else ()
        self._capsys.readouterr()
        await asyncio.to_thread(app, [*arguments, *who, "--json"], standalone_mode=False)
        out = self._capsys.readouterr().out
        return [json.loads(line) for line in out.splitlines()] if arguments[0] == "log" else json.loads(out)


@pytest.fixture
async def reached(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, each in a thread, reach the runtime of this process."""
    loop = asyncio.get_running_loop()

    def request(
        self: Connection, method: str, path: str, body: bytes | None, *, headers: Mapping[str, str], answer_s: float
    ) -> Any:
        sent = Door(door.app, headers).send(method, path, body or b"")
        answer = asyncio.run_coroutine_threadsafe(sent, loop).result(answer_s)
        assert answer.status == 200, answer.body
        return answer.data

    monkeypatch.setattr(Connection, "request", request)


@pytest.mark.req("LIC-25.33")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.usefixtures("reached")
async def test_api_console_and_command_line_show_the_same_of_whatever_happened(
    runtime: Runtime, door: Door, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    await History(runtime, seed).happen()
    async with signed_in(runtime) as client:
        faces = Faces(door, client, capsys)
        await _same_runs(faces)
        await _same_waits(faces)
        await _same_sessions(faces)
        await _same_tenant(faces)
        await _same_records(runtime, faces)


async def _same_runs(faces: Faces) -> None:
    rows = await faces.api("runs?limit=50")
    assert rows
    assert rows == (await faces.twin("runs"))["runs"] == await faces.command("runs", "list", "--limit", "50")
    for row in rows:
        told, drawn, listed = (
            await faces.api(f"runs/{row['id']}"),
            await faces.twin(f"runs/{row['id']}"),
            await faces.command("runs", "show", row["id"]),
        )
        if row["status"] in OPEN:
            for each in (told, drawn, listed):
                assert each["timeline"].pop("end_us") >= row["started_at_us"], "it goes on until now"
        assert told == drawn == listed
        why = await faces.api(f"runs/{row['id']}/explain")
        assert why == await faces.command("runs", "explain", row["id"])
        assert why == {name: told[name] for name in why}
        _agrees(row, told)


def _agrees(row: dict[str, Any], told: dict[str, Any]) -> None:
    """A row says of a run what its page says."""
    story = told["story"]
    assert (row["result"], row["summary"], row["who"]) == (story["result"], story["summary"], story["who"])
    for name in ("agent", "status", "code", "session", "parent"):
        assert row[name] == told[name], name
    assert set(row["waits_for"]) == {wait["kind"] for wait in told["waits"]}
    assert row["started_at_us"] == told["records"][0]["ts_us"]
    assert row["ended_at_us"] == (None if row["status"] in OPEN else told["records"][-1]["ts_us"])
    asked = None if story["asked"] is None else " ".join(" ".join(story["asked"]).split())[:160]
    assert row["asked"] == asked


async def _same_waits(faces: Faces) -> None:
    waits, inbox, desk = await faces.api("approvals"), await faces.twin("approvals"), await faces.twin("handovers")
    shown = [*inbox["waits"], *(each["wait"] for each in desk["handovers"])]
    assert sorted(waits, key=lambda wait: wait["id"]) == sorted(shown, key=lambda wait: wait["id"])
    assert waits == await faces.command("approvals", "list")
    closed = await faces.api("approvals/closed")
    assert waits
    assert len(closed) >= 2
    assert closed == inbox["decided"] == await faces.command("approvals", "list", "--closed")
    for wait in waits:
        assert (
            wait == await faces.api(f"approvals/{wait['id']}") == await faces.command("approvals", "show", wait["id"])
        )
        assert wait == (await faces.twin(f"approvals/{wait['id']}"))["wait"]


async def _same_sessions(faces: Faces) -> None:
    rows = await faces.api("sessions")
    assert rows == await faces.command("list", "sessions")
    book = await faces.api("conversations")
    assert book["conversations"] == (await faces.twin("sessions"))["sessions"]
    assert book == await faces.command("sessions", "list")
    assert {each["id"] for each in book["conversations"]} == {each["id"] for each in rows}
    for each in book["conversations"]:
        assert next(row for row in rows if row["id"] == each["id"]).items() <= each.items()
    assert (
        await faces.api("letters") == (await faces.twin("letters"))["letters"] == await faces.command("letters", "list")
    )
    assert await faces.api("channels/health") == (await faces.twin("channels"))["channels"]
    for row in rows:
        told = await faces.api(f"sessions/{row['id']}")
        assert told == (await faces.twin(f"sessions/{row['id']}"))["session"]
        assert row == {name: told[name] for name in row}


async def _same_tenant(faces: Faces) -> None:
    agents, page = await faces.api("agents"), await faces.twin("agents")
    assert all(agent in page["agents"] for agent in agents)
    assert agents == await faces.command("list", "agents", tenant=False)
    for agent in agents:
        assert await faces.api(f"agents/{agent['name']}") == (await faces.twin(f"agents/{agent['name']}"))["agent"]
    assert await faces.api("stops") == page["stops"] == await faces.command("stops")
    assert await faces.api("health") == (await faces.twin("health"))["health"]
    keys = await faces.api("keys")
    assert keys
    assert keys == await faces.command("keys", "list")


async def _same_records(runtime: Runtime, faces: Faces) -> None:
    await faces.api("log/records")  # that somebody reads the log is a record itself
    await runtime.log(ACME).durable()
    records = await faces.api("log/records?limit=500")
    assert records == await faces.command("log", "show", "--limit", "500")
    page = (await faces.twin("log"))["records"]
    assert page == list(reversed(records))[: len(page)]
    assert all(record["summary"] for record in records)
    run = next(record["stream"].removeprefix("run:") for record in records if record["stream"].startswith("run:"))
    own = [record for record in records if record["stream"] == f"run:{run}"]
    assert own == (await faces.api(f"runs/{RunId(run)}"))["records"]
