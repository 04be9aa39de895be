"""The stage of the demo: real commands in processes of their own, what they said, and what the log says of it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

from lichen.cli.here.client import Client
from lichen.cli.here.connection import Connection
from lichen.cli.here.workspace import Workspace
from lichen.cli.show.moments import position
from lichen.cli.show.screen import Screen
from lichen.core.words.errors import LichenError

COMMAND_S = 60.0
PAUSE_S = 0.7
QUIET = ("log_opened", "delivery_attempted", "delivery_settled")  # records that would only fill the screen


class Said(NamedTuple):
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its JSON document."""
        return json.loads(self.out)


class Stage:
    """Where the story plays. `failures` are the things that were not as they should be."""

    def __init__(self, workspace: Workspace, screen: Screen) -> None:
        self.workspace = workspace
        self.screen = screen
        self.failures: list[str] = []
        self._host: subprocess.Popen[str] | None = None
        self._shown: dict[str, int] = {}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LICHEN_")}
        self._environ = {**kept, "LICHEN_HOME": str(workspace.home), "PYTHONDONTWRITEBYTECODE": "1"}

    # -- the host ------------------------------------------------------------------------------------------------

    def open(self) -> int:
        """Starts a process that owns the data directory, and returns its id once it serves."""
        self._say_command("run --stay &")
        self.workspace.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.workspace.home / "host.log").open("a") as log:
            self._host = subprocess.Popen(
                [*_LICHEN, "run", "--stay"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environ,
                cwd=self.workspace.needed().parent,
            )
        assert self._host.stdout is not None
        line = self._host.stdout.readline().strip()
        if not line.startswith("serving"):
            raise LichenError(
                "The engine did not start.", code="host_failed", place=str(self.workspace.home / "host.log")
            )
        self.screen.line(f"  {line} (process {self._host.pid})", "dim")
        return self._host.pid

    def kill(self) -> None:
        """Ends the host as a power failure would."""
        assert self._host is not None
        self._say_command(f"kill -9 {self._host.pid}", program="")
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Ends the host in order, if it still runs."""
        if self._host is not None and self._host.poll() is None:
            self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        assert self._host is not None
        self._host.send_signal(number)
        self._host.wait(COMMAND_S)
        if self._host.stdout is not None:
            self._host.stdout.close()

    # -- commands ------------------------------------------------------------------------------------------------

    def run(self, *arguments: str, text: str = "", hide: str = "") -> Said:
        """Runs `lichen` with these arguments as a user would, and `--json` so that the story can check the answer.

        `hide` is a secret among them that is not shown.
        """
        command = shlex.join("lk_…" if argument == hide else argument for argument in arguments)
        self._say_command(command, f"echo {shlex.quote(text.strip())} | lichen " if text.strip() else "lichen ")
        done = subprocess.run(
            [*_LICHEN, *arguments, "--json"],
            input=text,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
            env=self._environ,
            cwd=self.workspace.needed().parent,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def chat(self, tenant: str, actor: str, text: str = "") -> str:
        """Says something in the chat and returns what came back, all of it shown."""
        said = self.run("chat", "--tenant", tenant, "--as", actor, text=f"{text}\n")
        replies = [json.loads(line)["text"] for line in said.out.splitlines()]
        for reply in replies:
            self.screen.line(f"  agent › {reply}", "cyan")
        if said.code:
            self.screen.line(f"  {said.err.strip()}", "red")
        self.records(tenant)
        return "\n".join(replies)

    def refusal(self, said: Said) -> str:
        """Shows why a command was refused, and returns the code."""
        error: dict[str, str] = json.loads(said.err)["error"]
        self.screen.line(f"  exit {said.code}  {error['code']}: {error['message']}", "yellow")
        return error["code"]

    # -- what happened -------------------------------------------------------------------------------------------

    def records(self, tenant: str) -> None:
        """Shows the records of a tenant's log that were not shown yet."""
        if self._host is None or self._host.poll() is not None:
            return  # nobody serves, and the story is no owner
        client = Client(Connection(self.workspace), {"Lichen-Tenant": tenant})
        for record in client.get("log/records", after=self._shown.get(tenant, 0), limit=500):
            self._shown[tenant] = record["seq"]
            if record["type"] not in QUIET:
                self.screen.line(f"    {position(record):>6}  {record['type']:<18}  {record['summary']}", "dim")
        self.pause()

    def refunds(self, tenant: str, order: str) -> list[int]:
        """What the shop's own database says was paid back for an order, row by row, in cents."""
        file = self.workspace.home / "files" / tenant / "dev" / "shop.sqlite"
        shop = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            return [row[0] for row in shop.execute("select amount from refunds where order_id = ?", (order,))]
        finally:
            shop.close()

    # -- telling -------------------------------------------------------------------------------------------------

    def act(self, title: str, *explained: str) -> None:
        """A new part of the story, and what it is about."""
        self.screen.line()
        self.screen.line(title, "bold green")
        for line in explained:
            self.screen.line(line)
        self.pause()

    def check(self, what: str, *, holds: bool) -> None:
        """Something that has to be so."""
        self.screen.line(f"  {'✓' if holds else '✗'} {what}", "green" if holds else "bold red")
        if not holds:
            self.failures.append(what)

    def pause(self) -> None:
        """Time to read, for readers."""
        if self.screen.is_terminal:
            threading.Event().wait(PAUSE_S)

    def _say_command(self, command: str, program: str = "lichen ") -> None:
        self.screen.line(f"  $ {program}{command}", "bold yellow")


_LICHEN = (sys.executable, "-m", "lichen.cli")


def fresh_home(home: Path) -> Path:
    """The directory itself when there is nothing in it, else the first free `story-<n>` below it."""
    if not home.exists() or not any(home.iterdir()):
        return home
    number = 2
    while (home / f"story-{number}").exists():
        number += 1
    return home / f"story-{number}"
