"""The story of the demo shop, told through the command line alone, with the kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LICHEN = str(Path(sys.executable).with_name("lichen"))
COMMAND_S = 60


class Shop:
    """A project made by `lichen init`, and a process that hosts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / ".lichen"
        self._host: subprocess.Popen[str] | None = None

    def lichen(self, *args: str, say: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LICHEN, *args],
            cwd=self.folder,
            env=self._env(),
            input=say,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    def json(self, *args: str) -> Any:
        done = self.lichen(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def chat(self, tenant: str, customer: str, text: str = "") -> str:
        done = self.lichen("chat", "--tenant", tenant, "--as", customer, say=f"{text}\n" if text else "")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refunds(self, tenant: str) -> list[tuple[str, int]]:
        with sqlite3.connect(self.home / "files" / tenant / "dev" / "shop.sqlite") as shop:
            return shop.execute("select order_id, amount from refunds order by rowid").fetchall()

    def host(self) -> None:
        """Starts `lichen run --stay` and waits until it serves."""
        self._host = subprocess.Popen(
            [LICHEN, "run", "--stay"], cwd=self.folder, env=self._env(), stdout=subprocess.PIPE, text=True
        )
        assert self._host.stdout is not None
        assert self._host.stdout.readline().startswith("serving on ")

    def kill(self) -> None:
        assert self._host is not None
        self._host.send_signal(signal.SIGKILL)
        self._host.communicate()

    def stop(self) -> int:
        if self._host is None or self._host.returncode is not None:
            return 0
        self._host.send_signal(signal.SIGTERM)
        self._host.communicate(timeout=COMMAND_S)
        return self._host.wait()

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
        return {**kept, "LICHEN_HOME": str(self.home)}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    done = shop.lichen("init")
    assert done.returncode == 0, done.stderr
    yield shop
    shop.stop()


def _held(shop: Shop, tenant: str = "acme") -> dict[str, Any]:
    (waiting,) = shop.json("approvals", "list", "--tenant", tenant)
    return waiting


@pytest.mark.req("STORY-1.1")
def test_a_customer_asks_where_an_order_is_and_is_told(shop: Shop) -> None:
    assert "shipped" in shop.chat("acme", "customer-7", "Where is order 1042?")


@pytest.mark.req("STORY-1.2")
def test_a_refund_above_the_limit_survives_a_kill_and_happens_once_after_approval(shop: Shop) -> None:
    shop.host()
    assert "a colleague’s approval" in shop.chat("acme", "customer-7", "I want a refund of 80 EUR for order 1042.")
    assert "shipped" in shop.chat("acme", "customer-7", "Where is order 1042?"), "the customer may go on talking"
    waiting = _held(shop)
    assert waiting["operator"]["arguments"] == {"order_id": "1042", "amount": 8000}
    assert waiting["operator"]["facts"] == {"owner": "customer-7", "price": 12000, "refunded": 0}
    assert "50 EUR" in waiting["operator"]["reason"]
    assert all(origin.startswith("customer:") for origin in waiting["operator"]["origins"].values())
    shop.kill()
    shop.host()
    assert _held(shop)["id"] == waiting["id"]
    assert shop.refunds("acme") == []
    approve = ("approvals", "approve", waiting["id"], "--tenant", "acme", "--as", "ops")
    assert shop.lichen(*approve).returncode == 0
    again = shop.lichen(*approve)
    assert (again.returncode, "wait_closed" in again.stderr) == (3, True)
    assert "80.00 EUR for order 1042" in shop.chat("acme", "customer-7")
    assert "80.00" not in shop.chat("acme", "customer-7"), "a reply is given once"
    assert shop.refunds("acme") == [("1042", 8000)]
    assert shop.stop() == 0
    assert shop.lichen("log", "verify", "--tenant", "acme").returncode == 0


@pytest.mark.req("STORY-1.3")
def test_a_denied_refund_is_answered_and_never_made(shop: Shop) -> None:
    shop.chat("acme", "customer-7", "I want a refund of 80 EUR for order 1042.")
    done = shop.lichen("approvals", "deny", _held(shop)["id"], "--tenant", "acme", "--as", "ops")
    assert done.returncode == 0, done.stderr
    assert "declined" in shop.chat("acme", "customer-7")
    assert shop.refunds("acme") == []


@pytest.mark.req("STORY-1.4")
def test_the_daily_limit_counts_what_was_paid_before(shop: Shop) -> None:
    assert "50.00 EUR for order 1053" in shop.chat("acme", "customer-8", "I want a refund of 50 EUR for order 1053.")
    assert "colleague" in shop.chat("acme", "customer-8", "I want a refund of 50 EUR for order 1054.")
    assert shop.refunds("acme") == [("1053", 5000)]


@pytest.mark.req("STORY-1.5")
def test_refunds_of_an_order_never_sum_to_more_than_its_price(shop: Shop) -> None:
    for amount in ("80", "45"):
        shop.chat("acme", "customer-7", f"I want a refund of {amount} EUR for order 1042.")
    for waiting in shop.json("approvals", "list", "--tenant", "acme"):
        shop.lichen("approvals", "approve", waiting["id"], "--tenant", "acme", "--as", "ops")
    assert shop.refunds("acme") == [("1042", 4500)], "a held request reserves nothing, so the later one came first"
    assert "cannot add up to more than it cost" in shop.chat("acme", "customer-7")


@pytest.mark.req("STORY-1.6")
def test_the_other_tenant_forbids_refunds_and_sees_nothing_of_the_first(shop: Shop) -> None:
    shop.chat("acme", "customer-7", "I want a refund of 80 EUR for order 1042.")
    assert "write to our service desk" in shop.chat("globex", "customer-7", "I want a refund of 80 EUR for order 1042.")
    (run,) = shop.json("runs", "list", "--tenant", "globex")
    shown = json.dumps(shop.json("runs", "show", run["id"], "--tenant", "globex"))
    assert "globex forbids refunds by agents" in shown
    (acme_run,) = shop.json("runs", "list", "--tenant", "acme")
    assert shop.lichen("runs", "show", acme_run["id"], "--tenant", "globex").returncode == 4
    assert shop.json("approvals", "list", "--tenant", "globex") == []


@pytest.mark.req("STORY-1.7")
def test_a_run_says_why_it_is_not_moving(shop: Shop) -> None:
    shop.chat("acme", "customer-7", "I want a refund of 80 EUR for order 1042.")
    (run,) = shop.json("runs", "list", "--tenant", "acme")
    explained = shop.json("runs", "explain", run["id"], "--tenant", "acme")
    assert explained["status"] == "waiting"
    assert "approval of payments.refund by operator" in explained["summary"]
