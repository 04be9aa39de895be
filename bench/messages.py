"""Messages through the web chat: how many are accepted, how long until the reply, what a thousand open sockets cost."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from websockets.asyncio.client import ClientConnection, connect

from bench.figure import ROOT, ROUNDS, Figure, fsync_us_p50, run_own

PATH = "/v1/messaging/webchat/acme/v3/directline"
CONVERSATIONS = 100
LOAD_S = 5
RATE_PER_S = 200
RATE_ALONE_PER_S = 20  # of the first second none counts
REPLY_MS = (("p50", 0.5, 4.0), ("p95", 0.95, None), ("p99", 0.99, 10.0))
SOCKETS = 1_000
REQUESTS = 32  # at once: the client's pool takes long to choose among many that wait
IDLE_S = 5.0


class Conversation(NamedTuple):
    """A conversation that is open."""

    path: str
    token: str
    stream: str


@contextmanager
def served(*command: str) -> Generator[dict[str, Any]]:
    """What a server prints when it listens; it ends with the context."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()) | {"process": process}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


async def opened(served: dict[str, Any], count: int) -> list[Conversation]:
    """So many conversations, each with a customer of its own."""
    base = f"http://127.0.0.1:{served['port']}"
    async with httpx.AsyncClient(base_url=base, timeout=60) as http:

        async def one(i: int) -> Conversation:
            key = {"authorization": f"Bearer {served['key']}"}
            asked = await http.post(f"{PATH}/tokens/generate", json={"user": {"id": f"dl_{i}"}}, headers=key)
            token = asked.raise_for_status().json()["token"]
            begun = await http.post(f"{PATH}/conversations", headers={"authorization": f"Bearer {token}"})
            found = begun.raise_for_status().json()
            path = f"{PATH}/conversations/{found['conversationId']}/activities"
            return Conversation(path, found["token"], found["streamUrl"])

        return [await one(i) for i in range(count)]


# -- accepted ----------------------------------------------------------------------------------------------------


def accepted() -> list[Figure]:
    """Messages accepted (verified, durable) and answered a second, beside bare Starlette that stores nothing."""
    own, peer, fsync, direct = [], [], [], []
    version = ""
    for _ in range(ROUNDS):
        with served("-m", "bench.own.gateway") as gateway:
            own.append(_load(gateway, asyncio.run(opened(gateway, CONVERSATIONS))))
        direct.append(run_own("own.direct")["per_s"])
        fsync.append(fsync_us_p50())
        with served("bench/peers/starlette_messages.py") as bare:
            version = bare["version"]
            peer.append(_load(bare, [Conversation(f"{PATH}/conversations/c/activities", "none", "")]))
    bare_per_s = statistics.median(peer)
    figure = Figure(
        "web chat", "messages accepted and answered through web chat", round(statistics.median(own)), "1/s", "higher",
        fsync_us_p50=statistics.median(fsync),
    )  # fmt: skip
    figure = figure.above(statistics.median(direct), "the same said to the runtime itself, without a door")
    beside = figure.beside("bare Starlette, nothing verified or stored", version, bare_per_s)
    return [beside.held_to(0.11, of="ratio"), figure.held_to(1_500)]


def _load(server: dict[str, Any], conversations: Sequence[Conversation]) -> float:
    """Requests a second under load, until all that was accepted is answered."""
    requests, seconds = _wrk(server["port"], conversations)
    began = time.perf_counter()
    if "pid" in server:
        server["process"].send_signal(signal.SIGUSR1)
        assert json.loads(server["process"].stdout.readline())["idle"]
    return requests / (seconds + time.perf_counter() - began)


def _wrk(port: int, conversations: Sequence[Conversation]) -> tuple[int, float]:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{c.path} {c.token}\n" for c in conversations)
        file.flush()
        script = str(ROOT / "bench" / "peers" / "post.lua")
        load = ["wrk", "-t1", "-c32", f"-d{LOAD_S}s", "-s", script, f"http://127.0.0.1:{port}", "--", file.name]
        done = subprocess.run(load, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["bad"]:
        raise SystemExit(f"{found['bad']} of {found['requests']} messages were not accepted")
    return found["requests"], found["seconds"]


# -- answered ----------------------------------------------------------------------------------------------------


def answered() -> list[Figure]:
    """From the moment a message was due to be sent until its reply came over the WebSocket, at a steady rate.

    The least is a message at a time: nobody else is served.
    """
    rounds: list[list[float]] = []
    alone: list[float] = []
    fsync: list[float] = []
    for _ in range(ROUNDS):
        with served("-m", "bench.own.gateway") as gateway:
            alone += asyncio.run(_steady(gateway, RATE_ALONE_PER_S))
            rounds.append(sorted(asyncio.run(_steady(gateway, RATE_PER_S))))
        fsync.append(fsync_us_p50())
    alone.sort()
    figures: list[Figure] = []
    for name, share, must in REPLY_MS:
        figure = Figure(
            f"reply {name}",
            f"message to reply, {RATE_PER_S} messages/s over WebSockets ({name})",
            _ms(statistics.median(_at(times, share) for times in rounds)),
            "ms",
            "lower",
            fsync_us_p50=statistics.median(fsync),
        ).above(_ms(_at(alone, share)), f"the same at {RATE_ALONE_PER_S} messages/s")
        figures.append(figure if must is None else figure.held_to(must))
    return figures


def _at(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))]


async def _steady(gateway: dict[str, Any], rate_per_s: int) -> list[float]:
    conversations = await opened(gateway, CONVERSATIONS)
    times: list[float] = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway['port']}", timeout=60) as http:
        places = asyncio.Semaphore(REQUESTS)
        lines = [await Line.open(conversation, http, places) for conversation in conversations]
        began = time.perf_counter()
        sending: list[asyncio.Task[float]] = []
        for i in range(rate_per_s * LOAD_S):
            due = began + i / rate_per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sending.append(asyncio.create_task(lines[i % len(lines)].ask(f"m{i}", due)))
        times = list(await asyncio.gather(*sending))[rate_per_s:]
        for line in lines:
            await line.close()
    return times


class Line:
    """A conversation with its stream. Replies come in order, so the next one belongs to the oldest question."""

    def __init__(
        self, conversation: Conversation, http: httpx.AsyncClient, places: asyncio.Semaphore, stream: ClientConnection
    ) -> None:
        self._conversation, self._http, self._stream = conversation, http, stream
        self._places = places
        self._asked: list[asyncio.Future[float]] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, conversation: Conversation, http: httpx.AsyncClient, places: asyncio.Semaphore) -> Line:
        """The conversation, listening."""
        return cls(conversation, http, places, await connect(conversation.stream, max_size=None))

    async def ask(self, id: str, due: float) -> float:
        """Sends a message. Returns the seconds from when it was due to its reply."""
        reply: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._asked.append(reply)
        activity = {"type": "message", "id": id, "from": {"id": "dl"}, "text": "Where is order 1042?"}
        headers = {"authorization": f"Bearer {self._conversation.token}"}
        async with self._places:
            (await self._http.post(self._conversation.path, json=activity, headers=headers)).raise_for_status()
        return await reply - due

    async def close(self) -> None:
        """Stops listening."""
        self._reading.cancel()
        await self._stream.close()

    async def _read(self) -> None:
        async for frame in self._stream:
            for activity in json.loads(frame)["activities"] if frame else ():
                if activity["type"] == "message" and activity["from"].get("role") == "bot":
                    self._asked.pop(0).set_result(time.perf_counter())


# -- open --------------------------------------------------------------------------------------------------------


def sockets() -> list[Figure]:
    """What a thousand open WebSockets take of memory and, while nothing happens, of a core; then each is answered."""
    with served("-m", "bench.own.gateway") as gateway:
        found = asyncio.run(_many(gateway))
    name = f"{SOCKETS:,} open WebSockets"
    return [
        Figure("sockets kb", f"{name}: memory each, conversation included", round(found["kb"], 1), "KB", "lower"),
        Figure("sockets idle", f"{name}: CPU while idle", round(found["idle_percent"], 2), "%", "lower"),
        Figure("sockets answered", f"{name}: all answered once", round(found["answered_s"], 2), "s", "lower"),
    ]


async def _many(gateway: dict[str, Any]) -> dict[str, float]:
    before_kb = _resident_kb(gateway["pid"])
    conversations = await opened(gateway, SOCKETS)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway['port']}", timeout=120) as http:
        places = asyncio.Semaphore(REQUESTS)
        lines = [await Line.open(conversation, http, places) for conversation in conversations]
        kb = (_resident_kb(gateway["pid"]) - before_kb) / SOCKETS
        cpu_s = _cpu_s(gateway["pid"])
        await asyncio.sleep(IDLE_S)
        idle_percent = (_cpu_s(gateway["pid"]) - cpu_s) / IDLE_S * 100
        began = time.perf_counter()
        await asyncio.gather(*(line.ask(f"m{i}", began) for i, line in enumerate(lines)))
        answered_s = time.perf_counter() - began
        for line in lines:
            await line.close()
    return {"kb": kb, "idle_percent": idle_percent, "answered_s": answered_s}


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)
