"""A NATS server with JetStream on loopback, as its wheel brings it; it can be killed and begun again where it was."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.served import free_port

NATS = str(Path(sys.executable).with_name("nats-server"))
READY_S = 20.0


class Nats:
    """The server, while the context lasts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"nats://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Nats:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns once it takes connections."""
        command = [NATS, "-a", "127.0.0.1", "-p", str(self._port), "-js", "-sd", str(self._folder)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.02)
        raise AssertionError("the NATS server does not begin")

    def kill(self) -> None:
        """Ends it as a power cut would, but for the disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
