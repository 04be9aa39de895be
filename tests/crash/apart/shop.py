"""A shop whose customers write by WhatsApp, served by three processes that are killed and begun again."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tests.channels.whatsapp.server import NUMBER, TOKEN
from tests.served import free_port

LICHEN = str(Path(sys.executable).with_name("lichen"))
ROOT = Path(__file__).parents[3]
SECRET = "app secret"
INGRESS = "/v1/messaging/ingress/whatsapp/acme"
Name = Literal["gateway", "runner", "egress"]
NAMES: tuple[Name, ...] = ("gateway", "runner", "egress")
PROJECT = f"""
[lichen]
agents = []
flows = ["reader.ygtc"]
home = "data"

[bus]
kind = "nats"

[tenants.acme]
development = ["dev"]
agent = "shop.reader"

[tenants.acme.quotas]
messages_per_minute = 100000
messages_per_minute_address = 100000
messages_per_minute_tenant = 100000
webhooks_per_second = 100000
webhooks_burst = 100000

[tenants.acme.whatsapp]
phone_number_id = "{NUMBER}"
token = "env:WHATSAPP_TOKEN"
verify_token = "env:WHATSAPP_TOKEN"
app_secret = "env:WHATSAPP_SECRET"
api_base_url = "META"
"""
READER = """
id: shop.reader
type: messaging
schema_version: 2
nodes:
  tell:
    text: "Read {{entry.text}}"
    routing: reply
"""


def laid(home: Path, meta: str) -> Path:
    """The `lichen.toml` of the shop."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "reader.ygtc").write_text(READER)
    (home / "lichen.toml").write_text(PROJECT.replace("META", meta))
    return home / "lichen.toml"


def environ(nats: str) -> dict[str, str]:
    """What each process finds in its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
    return {**kept, "PYTHONPATH": str(ROOT), "NATS_URL": nats, "WHATSAPP_TOKEN": TOKEN, "WHATSAPP_SECRET": SECRET}


def notified(customer: str, text: str) -> dict[str, Any]:
    """A message of a customer, as httpx posts it: its text is its id."""
    said = {"from": customer, "id": f"wamid.{text}", "timestamp": str(int(time.time())), "type": "text"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": NUMBER},
        "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": customer}],
        "messages": [{**said, "text": {"body": text}}],
    }
    change = {"value": value, "field": "messages"}
    document = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
    body = json.dumps(document).encode()
    mark = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"url": INGRESS, "content": body, "headers": {"x-hub-signature-256": f"sha256={mark}"}}


class Processes:
    """The three, each in its newest life."""

    def __init__(self, home: Path, nats: str) -> None:
        self._home, self._environ = home, environ(nats)
        self._lives: dict[Name, subprocess.Popen[bytes]] = {}
        self._ports: Mapping[Name, int] = {"gateway": free_port(), "runner": free_port()}
        self.url = f"http://127.0.0.1:{self._ports['gateway']}"

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for life in self._lives.values():
            life.terminate()
        for life in self._lives.values():
            try:
                life.wait(60)
            except subprocess.TimeoutExpired:
                life.kill()

    def begin(self, name: Name, point: str = "") -> None:
        """Begins one; it may take a while until it works. With a `point` it dies when it passes that."""
        port = ("--port", str(self._ports[name])) if name in self._ports else ()
        command = [sys.executable, "-m", "tests.crash.apart.mortal", point] if point else [LICHEN]
        self._lives[name] = subprocess.Popen(
            [*command, "serve", "--only", name, *port, "--log-level", "error"],
            cwd=self._home,
            env=self._environ,
            stdout=subprocess.DEVNULL,
        )

    def is_dead(self, name: Name) -> bool:
        """Whether the newest life of one is over."""
        return self._lives[name].poll() is not None

    def kill(self, name: Name) -> None:
        """Ends one at once, whatever it does."""
        self._lives[name].send_signal(signal.SIGKILL)
        self._lives[name].wait()
