"""Webhooks: how many deliveries are accepted, how long until an answer is posted, how far a flood moves another."""

from __future__ import annotations

import asyncio
import hmac
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx

from bench.figure import ROOT, ROUNDS, Figure, fsync_us_p50
from bench.messages import LOAD_S, served
from bench.own.webhooks import KEY

PATH = "/v1/messaging/ingress/webhook/{tenant}"
CONVERSATIONS = 100
SIGNED = 60_000  # more than a load uses up
RATE_PER_S = 100
REPLY_MS = (("p50", 0.5), ("p99", 0.99))
QUIET_PER_S = 20


def delivery(tenant: str, n: int, of: str) -> tuple[str, str, bytes]:
    """A path, a signature and a body; `of` tells loads apart."""
    said = {"id": f"{of}-{n}", "conversation": f"c{n % CONVERSATIONS}", "text": "Where is order 1042?"}
    body = json.dumps(said, separators=(",", ":")).encode()
    return PATH.format(tenant=tenant), hmac.new(KEY.encode(), body, "sha256").hexdigest(), body


# -- accepted ----------------------------------------------------------------------------------------------------


def accepted() -> list[Figure]:
    """Deliveries proven, durable and dealt with a second, beside bare Starlette that proves them and stores nothing."""
    own, peer, fsync = [], [], []
    version = ""
    for i in range(ROUNDS):
        with served("-m", "bench.own.webhooks") as door:
            own.append(_load(door, f"a{i}"))
        fsync.append(fsync_us_p50())
        with served("bench/peers/starlette_webhooks.py") as bare:
            version = bare["version"]
            peer.append(_load(bare, f"a{i}"))
    figure = Figure(
        "webhooks", "webhooks accepted, and their runs ended", round(statistics.median(own)), "1/s", "higher",
        fsync_us_p50=statistics.median(fsync),
    )  # fmt: skip
    return [figure.beside("bare Starlette, proven, nothing stored", version, statistics.median(peer))]


def _load(server: dict[str, Any], of: str) -> float:
    """Deliveries a second under load, until all that was accepted is dealt with."""
    with _brought(server["port"], "acme", of) as load:
        found = json.loads(load.communicate()[0].strip().splitlines()[-1])
    if found["bad"]:
        raise SystemExit(f"{found['bad']} of {found['requests']} deliveries were not accepted")
    began = time.perf_counter()
    if "pid" in server:
        server["process"].send_signal(10)  # SIGUSR1
        assert json.loads(server["process"].stdout.readline())["idle"]
    return found["requests"] / (found["seconds"] + time.perf_counter() - began)


@contextmanager
def _brought(port: int, tenant: str, of: str, seconds: int = LOAD_S) -> Generator[subprocess.Popen[str]]:
    """A load of deliveries to a tenant."""
    with tempfile.NamedTemporaryFile("wb", suffix=".txt") as file:
        for n in range(SIGNED):
            path, mark, body = delivery(tenant, n, of)
            file.write(f"{path} {mark} ".encode() + body + b"\n")
        file.flush()
        script = str(ROOT / "bench" / "peers" / "deliver.lua")
        load = ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{port}", "--", file.name]
        with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as process:
            yield process


# -- answered ----------------------------------------------------------------------------------------------------


def answered() -> list[Figure]:
    """From the moment a delivery was due to be posted until its answer was posted back, at a steady rate."""
    rounds: list[list[float]] = []
    fsync: list[float] = []
    for _ in range(ROUNDS):
        rounds.append(sorted(asyncio.run(_alone(RATE_PER_S))))
        fsync.append(fsync_us_p50())
    return [
        Figure(
            f"webhook reply {name}",
            f"webhook to posted answer, {RATE_PER_S} deliveries/s ({name})",
            _ms(statistics.median(_at(times, share) for times in rounds)),
            "ms",
            "lower",
            fsync_us_p50=statistics.median(fsync),
        )
        for name, share in REPLY_MS
    ]


async def _alone(rate_per_s: int) -> list[float]:
    async with Answers.listening() as answers:
        with served("-m", "bench.own.webhooks", answers.url) as door:
            return await answers.steady(door["port"], "acme", "s", rate_per_s, LOAD_S)


def beside_a_flood() -> list[Figure]:
    """The same for a tenant that wants little, alone and while another's deliveries come as fast as they are taken."""
    alone, beside = asyncio.run(_flooded())
    return [
        Figure(
            f"webhook flood {name}",
            f"webhook to posted answer beside another tenant's flood ({name})",
            _ms(_at(beside, share)),
            "ms",
            "lower",
        )
        .beside("the same alone", "", _ms(_at(alone, share)))
        .held_to(0.5, of="ratio")
        for name, share in REPLY_MS
    ]


async def _flooded() -> tuple[list[float], list[float]]:
    alone: list[float] = []
    beside: list[float] = []
    async with Answers.listening() as answers:
        with served("-m", "bench.own.webhooks", answers.url) as door:
            for i in range(ROUNDS):
                alone += await answers.steady(door["port"], "globex", f"q{i}", QUIET_PER_S, LOAD_S)
                with _brought(door["port"], "acme", f"f{i}", LOAD_S + 2):
                    await asyncio.sleep(1)
                    beside += await answers.steady(door["port"], "globex", f"b{i}", QUIET_PER_S, LOAD_S)
    return sorted(alone), sorted(beside)


class Answers:
    """Where answers are posted to: the first for each conversation belongs to the oldest delivery of it."""

    def __init__(self) -> None:
        self._asked: dict[str, list[asyncio.Future[float]]] = {}
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def listening(cls) -> AsyncGenerator[Answers]:
        """A receiver on loopback."""
        answers = cls()
        server = await asyncio.start_server(answers._take, "127.0.0.1", 0)
        answers.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/answers"
        async with server:
            yield answers

    async def steady(self, port: int, tenant: str, of: str, rate_per_s: int, seconds: int) -> list[float]:
        """Seconds from when each delivery was due to its answer, at a steady rate; of the first second none counts."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            began = time.perf_counter()
            sending: list[asyncio.Task[float]] = []
            for n in range(rate_per_s * seconds):
                due = began + n / rate_per_s
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                sending.append(asyncio.create_task(self._ask(http, tenant, n, of, due)))
            return (await asyncio.gather(*sending))[rate_per_s:]

    async def _ask(self, http: httpx.AsyncClient, tenant: str, n: int, of: str, due: float) -> float:
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(f"c{n % CONVERSATIONS}", []).append(answer)
        path, mark, body = delivery(tenant, n, of)
        headers = {"content-type": "application/json", "x-signature": mark}
        (await http.post(path, content=body, headers=headers)).raise_for_status()
        return await answer - due

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.partition(b":")[2])
                    for line in head.splitlines()
                    if line.lower().startswith(b"content-length")
                )
                said = json.loads(await reader.readexactly(length))
                if waiting := self._asked.get(said["conversation"]):
                    waiting.pop(0).set_result(time.perf_counter())
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


def _at(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))]


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)
