"""`lichen serve --demo` as a user starts it, in a folder of its own, and the people who talk to it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

LICHEN = str(Path(sys.executable).with_name("lichen"))
PATIENCE_S = 60.0


PORTS_EACH = 500  # below those that the system hands out by itself, so that nobody takes one between two lives


def free_port() -> int:
    """A port nobody listens on, and that no other worker of the tests looks at."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 12_000 + worker % 40 * PORTS_EACH
    for port in random.sample(range(first, first + PORTS_EACH), PORTS_EACH):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError(f"no port from {first} on is free")


class Served:
    """The demo, served. The home and the port stay the same from one life to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None
        self._clients: list[httpx.Client] = []

    def start(self) -> None:
        """Returns once it says that it serves."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
        self._process = subprocess.Popen(
            [LICHEN, "serve", "--demo"],
            cwd=self.folder,
            env={**kept, "LICHEN_HOME": str(self.home), "LICHEN_PORT": str(self.port)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"serving on {self.url}\n"

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def stop(self) -> int:
        """SIGTERM. Returns the exit code."""
        for client in self._clients:
            client.close()
        if self._process is None or self._process.returncode is not None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=PATIENCE_S)
        return self._process.wait()

    def key(self, tenant: str) -> str:
        """The operator's key of a tenant, as `demo.env` has it."""
        lines = (self.home / "demo.env").read_text().splitlines()
        keys = dict(line.split("=", 1) for line in lines if "=" in line)
        return keys[f"LICHEN_KEY_{tenant.upper()}"]

    def refunds(self, tenant: str) -> list[tuple[str, int]]:
        """The rows of the shop's own table: what really happened."""
        with sqlite3.connect(self.home / "files" / tenant / "dev" / "shop.sqlite") as shop:
            return shop.execute("select order_id, amount from refunds order by rowid").fetchall()

    def operator(self, tenant: str) -> httpx.Client:
        """The API, as operator `ops` of the tenant."""
        client = self.client("/api/v1")
        client.headers["authorization"] = f"Bearer {self.key(tenant)}"
        return client

    def client(self, path: str) -> httpx.Client:
        """Requests below a path, closed with the server."""
        self._clients.append(httpx.Client(base_url=f"{self.url}{path}", timeout=PATIENCE_S))
        return self._clients[-1]


class Customer:
    """Somebody at a tenant's web chat, over plain HTTP. `told` is everything the bot said, in order.

    Their name is vouched for by the tenant's key, as a shop does for whoever signed in there.
    """

    def __init__(self, served: Served, tenant: str, name: str) -> None:
        self._http = served.client(f"/v1/messaging/webchat/{tenant}")
        self._http.headers["authorization"] = f"Bearer {served.key(tenant)}"
        token = self._post("/token", {"user": {"id": name}})["token"]
        self._http.headers["authorization"] = f"Bearer {token}"
        self._conversation = self._post("/v3/directline/conversations", {})["conversationId"]
        self._said = 0
        self.told: list[str] = []

    def say(self, text: str, until: str) -> str:
        """Says something and waits until the bot said something new with this in it."""
        self._said += 1
        activity = {"type": "message", "id": f"a{self._said}", "from": {"id": "me"}, "text": text}
        self._post(f"/v3/directline/conversations/{self._conversation}/activities", activity)
        return self.hear(until)

    def hear(self, until: str) -> str:
        """Waits until the bot said something new with this in it."""
        known, deadline = len(self.told), time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self._fetch()
            for text in self.told[known:]:
                if until in text:
                    return text
            time.sleep(0.05)
        raise AssertionError(f"{until!r} was never said: {self.told[known:]}")

    def _fetch(self) -> None:
        page = self._http.get(f"/v3/directline/conversations/{self._conversation}/activities").raise_for_status()
        spoken = [a for a in page.json()["activities"] if a["type"] == "message" and a["from"]["role"] == "bot"]
        self.told = [activity["text"] for activity in spoken]

    def _post(self, path: str, body: Any) -> Any:
        return self._http.post(path, json=body).raise_for_status().json()
