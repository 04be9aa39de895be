"""The demo shop in a folder of its own, and the real command on it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.forge import FORGE

DEMO = Path(__file__).parents[2] / "demo"
LICHEN = (sys.executable, "-m", "lichen.cli")
LARGE = "I want a refund of 80 EUR for order 1042."
STATUS = "Where is order 1042?"


class Ended(NamedTuple):
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The code of the error it ended with, told as an object."""
        return json.loads(self.err)["error"]["code"]


class Shop:
    """A project and its data directory, used as a user would: by commands in processes of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root / "shop"
        self.home = root / "home"
        shutil.copytree(DEMO, self.root, ignore=shutil.ignore_patterns("__pycache__", ".lichen"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
        self.environ = {**kept, "LICHEN_HOME": str(self.home), "COLUMNS": "120"}
        self._hosts: list[subprocess.Popen[str]] = []

    def run(self, *arguments: str, text: str = "", **environ: str) -> Ended:
        return Ended(*FORGE.run(arguments, self.root, {**self.environ, **environ}, text=text))

    def chat(self, text: str = "", actor: str = "customer-7", tenant: str = "acme") -> list[str]:
        ended = self.run("chat", "--tenant", tenant, "--as", actor, text=text)
        assert ended.code == 0, ended.err
        return ended.out.splitlines()

    def approvals(self, tenant: str = "acme") -> Any:
        return self.run("approvals", "list", "--tenant", tenant, "--json").data

    def refunds(self, order: str = "1042") -> list[int]:
        with closing(sqlite3.connect(self.home / "files" / "acme" / "dev" / "shop.sqlite")) as shop:
            return [row[0] for row in shop.execute("select amount from refunds where order_id = ?", (order,))]

    def host(self) -> subprocess.Popen[str]:
        """A process that owns the data, once it serves."""
        host = subprocess.Popen(
            [*LICHEN, "run", "--stay"], stdout=subprocess.PIPE, text=True, cwd=self.root, env=self.environ
        )
        self._hosts.append(host)
        assert host.stdout is not None
        assert host.stdout.readline().startswith("serving on")
        return host

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on."""
        command = subprocess.Popen(
            [*LICHEN, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env=self.environ,
        )
        self._hosts.append(command)
        return command

    def ask(self, chat: subprocess.Popen[str], text: str) -> str:
        """Says one line and reads one."""
        assert chat.stdin is not None
        assert chat.stdout is not None
        chat.stdin.write(f"{text}\n")
        chat.stdin.flush()
        return chat.stdout.readline()

    def kill(self, host: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> int:
        """Ends a host and returns its exit code."""
        host.send_signal(number)
        code = host.wait(30)
        if host.stdout is not None:
            host.stdout.close()
        return code

    def close(self) -> None:
        for host in self._hosts:
            if host.poll() is None:
                self.kill(host)
            for stream in (host.stdin, host.stdout):
                if stream is not None:
                    stream.close()
