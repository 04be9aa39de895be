"""`lichen serve --only gateway|egress`: the processes that have neither the data directory nor its keys."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from lichen.cli.here.workspace import Workspace
from lichen.cli.show.screen import Screen

if TYPE_CHECKING:
    from lichen.serve.apart.processes import World
    from lichen.serve.http.lines import LineFormat


def serve_apart(
    only: Literal["gateway", "egress"],
    screen: Screen,
    workspace: Workspace,
    host: str,
    port: int,
    *,
    lines: tuple[LineFormat, str],
) -> None:
    """Runs one of the two until SIGTERM or Ctrl-C. Raises Invalid, Unavailable (`port_in_use`)."""
    from lichen.serve.http.lines import write

    write(*lines, with_text=False)
    asyncio.run(_live(only, screen, workspace, host, port))


async def _live(only: Literal["gateway", "egress"], screen: Screen, workspace: Workspace, host: str, port: int) -> None:
    from lichen.serve.apart.processes import as_egress, as_gateway
    from lichen.serve.http.lines import event

    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)

    def opened(number: int | None) -> None:
        told = {"only": only} if number is None else {"only": only, "serving": _url(host, number)}
        if not screen.event(told):
            screen.line(f"{only} is up" if number is None else f"gateway on {told['serving']}")
        event("started", {**told, "version": version("lichen")})

    file, world = workspace.needed(), _world()
    if only == "gateway":
        await as_gateway(file, world, host=host, port=port, opened=opened, end=end)
    else:
        await as_egress(file, world, opened=lambda: opened(None), end=end)
    event("stopped", {"only": only})


def _url(host: str, number: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{number}"


def _world() -> World:
    from lichen.serve.apart.processes import World

    def clock() -> int:
        return time.time_ns() // 1000  # noqa: TID251 - the outermost adapter

    def new_id() -> str:
        return os.urandom(12).hex()  # noqa: TID251 - as above

    return World(os.environ, clock, new_id)
