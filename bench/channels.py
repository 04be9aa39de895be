"""Channels: from a message's webhook until the reply was posted to its platform, one message after the other.

The platforms are the servers on loopback that the tests speak with. The web chat has rows of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from bench.figure import ROOT, Figure, fsync_us_p50
from bench.own.shop import policies
from lichen.channels.webhook.schemes import standard_signature
from tests.channels.bus.server import Nats
from tests.channels.email.mails import KEY, mail
from tests.channels.email.server import HERE, PASSWORD, USER, Post, certificates
from tests.channels.slack.server import Slack
from tests.channels.teams import server as teams
from tests.channels.teams.server import Microsoft
from tests.channels.telegram.server import BotApi
from tests.channels.told.people import OnSlack, OnTeams, OnTelegram, OnWhatsApp
from tests.channels.told.test_told import APP, ENVIRON, HOOK, SIGNING, TABLES
from tests.channels.whatsapp.server import NUMBER, Meta
from tests.crash.apart import shop as apart

MESSAGES, FIRST = 200, 20  # the first do not count
ANSWER_S = 30.0
MANY = 1_000_000_000
SHARES = (("p50", 0.5), ("p99", 0.99))
SAID = "Where is order 1042?"
BOUNDS = (
    "messages_per_minute", "messages_per_minute_address", "messages_per_minute_tenant", "bytes_per_day",
    "bytes_per_day_address", "webhooks_per_second", "webhooks_burst", "webhook_bytes_per_minute",
)  # fmt: skip
PROJECT = """
[lichen]
agents = ["shop_agents.py:NONE"]
home = "data"

[tenants.acme]
policies = "policies"
development = ["dev"]
agent = "bench.none"
"""
MAIL = """
[tenants.acme.email]
address = "{user}"
smtp_host = "127.0.0.1"
smtp_port = {smtp}
user = "{user}"
password = "env:MAIL_PASSWORD"
secrets = ["env:MAIL_SECRET"]
trusted_host = "mx.shop.example"
ca_file = "ca.pem"
"""


class Heard(list[Any]):
    """What a platform was posted, and when the newest of it came."""

    def __init__(self, is_reply: Callable[[Any], bool] = bool) -> None:
        super().__init__()
        self._is_reply = is_reply
        self.came, self.at_s = threading.Event(), 0.0

    def append(self, item: Any, /) -> None:
        """It came now."""
        if self._is_reply(item):
            self.at_s = time.perf_counter()
            self.came.set()
        super().append(item)


class Door:
    """Stands in for a shop: what is posted to it twice is posted once, and timed until something was heard."""

    def __init__(self, url: str, heard: Heard) -> None:
        self._http, self._heard = httpx.Client(base_url=url, timeout=ANSWER_S), heard
        self._last = b""
        self.times_s: list[float] = []

    def post(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        """Brings it, and waits for the reply."""
        if content == self._last:
            return
        self._last = content
        self._heard.came.clear()
        began_s = time.perf_counter()
        self._http.post(path, content=content, headers=headers).raise_for_status()
        if not self._heard.came.wait(ANSWER_S):
            raise SystemExit(f"nothing was posted for what came to {path}")
        self.times_s.append(self._heard.at_s - began_s)


class Platform(NamedTuple):
    """A platform, and how somebody says something there."""

    name: str
    door: Door
    say: Callable[[int], None]


def figures(messages: int = MESSAGES) -> list[Figure]:
    """The median and the hundredth of each platform, and of one whose gateway, runner and egress are apart."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=ROOT) as folder, ExitStack() as stack:
        for platform in _platforms(Path(folder), stack):
            found += _measured(platform, messages)
    with tempfile.TemporaryDirectory(dir=ROOT) as folder, ExitStack() as stack:
        found += _measured(_apart(Path(folder), stack), messages)
    return found


def _measured(platform: Platform, messages: int) -> list[Figure]:
    for n in range(messages + FIRST):
        platform.say(n)
    times_s = sorted(platform.door.times_s[FIRST:])
    fsync = fsync_us_p50()
    return [
        Figure(
            f"channel {platform.name} {name}",
            f"{platform.name}: webhook to posted reply ({name})",
            round(_at(times_s, share) * 1e3, 2),
            "ms",
            "lower",
            fsync_us_p50=fsync,
        )
        for name, share in SHARES
    ]


def _at(times_s: list[float], share: float) -> float:
    return statistics.median(times_s) if share == 0.5 else times_s[min(len(times_s) - 1, int(len(times_s) * share))]


# -- one process -------------------------------------------------------------------------------------------------


def _platforms(folder: Path, stack: ExitStack) -> Iterable[Platform]:
    """The platforms, and one process that serves a shop for all of them."""
    telegram, meta = stack.enter_context(BotApi()), stack.enter_context(Meta())
    slack = stack.enter_context(Slack())
    microsoft, post = stack.enter_context(Microsoft()), stack.enter_context(Post())
    telegram.called = Heard(lambda call: call["method"] == "sendMessage")
    meta.posted = Heard(lambda said: "text" in said)
    microsoft.posted = Heard(lambda sent: "text" in sent.activity)
    slack.posted, post.sent = Heard(), Heard()
    tables = _tables(slack=slack, microsoft=microsoft, telegram=telegram, meta=meta)
    tables += MAIL.format(user=USER, smtp=post.smtp_port)
    shutil.copy(certificates(HERE).authority, folder / "ca.pem")
    url = stack.enter_context(_served(folder, tables, {**ENVIRON, "MAIL_PASSWORD": PASSWORD, "MAIL_SECRET": KEY}))
    doors = [Door(url, each) for each in (slack.posted, microsoft.posted, telegram.called, meta.posted, post.sent)]
    people: list[Any] = [OnSlack, OnTeams, OnTelegram, OnWhatsApp]
    given = ((slack, SIGNING), (microsoft,), (telegram, HOOK), (meta, APP))
    for name, kind, door, more in zip(("Slack", "Teams", "Telegram", "WhatsApp"), people, doors, given, strict=False):
        person = kind(door, *more)
        yield Platform(name, door, lambda n, person=person: person.say(f"{SAID} {n}"))
    yield Platform("e-mail", doors[-1], lambda n: _write(doors[-1], n))


def _tables(*, slack: Slack, microsoft: Microsoft, telegram: BotApi, meta: Meta) -> str:
    """The tables of the tests, of these platforms alone."""
    wanted = ("slack", "teams", "telegram", "whatsapp")
    tables = ["", *TABLES.split("\n[tenants.acme.")[1:]]
    kept = [f"\n[tenants.acme.{each}" for each in tables if each.startswith(wanted)]
    return "".join(kept).format(
        slack=slack.url, app=teams.APP, teams=microsoft.url, metadata=microsoft.metadata, telegram=telegram.url,
        whatsapp=meta.url, number=NUMBER,
    )  # fmt: skip


def _write(door: Door, n: int) -> None:
    raw, sent = mail(f"{SAID} {n}", Message_ID=f"<bench-{n}@customer.example>"), int(time.time())
    mark = standard_signature(KEY, f"w{n}", sent, raw)
    signed = {"webhook-id": f"w{n}", "webhook-timestamp": str(sent), "webhook-signature": mark}
    door.post("/v1/messaging/ingress/email/acme", raw, {**signed, "content-type": "message/rfc822"})


@contextmanager
def _served(folder: Path, tables: str, environ: dict[str, str]) -> Generator[str]:
    """`lichen serve` over a project with these channels."""
    policies(folder)
    (folder / "shop_agents.py").write_text("from bench.own.shop import agents\n\nNONE, ONCE = agents(1)\n")
    quotas = "".join(f"{name} = {MANY}\n" for name in BOUNDS)
    (folder / "lichen.toml").write_text(f"{PROJECT}\n[tenants.acme.quotas]\n{quotas}{tables}")
    command = [sys.executable, "-m", "lichen.cli", "serve", "--port", "0", "--json", "--log-level", "error"]
    given = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=folder, env=given, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["serving"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


# -- three processes over NATS -----------------------------------------------------------------------------------


def _apart(folder: Path, stack: ExitStack) -> Platform:
    """WhatsApp, with a gateway, a runner and an egress that are processes of their own."""
    nats, meta = stack.enter_context(Nats(folder / "nats")), stack.enter_context(Meta())
    meta.posted = Heard(lambda said: "text" in said)
    apart.laid(folder / "shop", meta.url)
    processes = stack.enter_context(apart.Processes(folder / "shop", nats.url))
    _ready(processes.url)
    door = Door(processes.url, meta.posted)

    def say(n: int) -> None:
        asked = apart.notified("4917012345", f"{SAID} {n}")
        door.post(asked["url"], asked["content"], asked["headers"])

    return Platform("WhatsApp over NATS", door, say)


def _ready(url: str) -> None:
    """Returns once the gateway takes what a platform brings."""
    end_s = time.monotonic() + ANSWER_S
    while time.monotonic() < end_s:
        try:
            if httpx.post(url=url + apart.INGRESS).status_code in (401, 403):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("the gateway does not begin")
