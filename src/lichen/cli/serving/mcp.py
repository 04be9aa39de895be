"""`lichen mcp`: your agents as tools of one MCP client, which starts this command and speaks to it by lines."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Annotated, BinaryIO, Final

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.core.words.errors import Unavailable

LINE_BYTES_MAX: Final = 1024 * 1024


@calling
def serve_client(
    caller: Caller,
    demo: Annotated[bool, typer.Option("--demo", help="Serve the demo shop if there is no project.")] = False,
) -> None:
    """Serves your agents to one MCP client on stdin and stdout.

    The client starts it and asks as whoever --as or --key names. Whoever names nobody is, where a project is developed,
    the customer that its `lichen.toml` declares first.
    """
    lines, answers = _taken()
    if demo:
        from lichen.cli.serving.serve import demo_or

        caller.move(demo_or(caller.client.connection.workspace))
    caller.as_some_customer()
    caller.client.get("health")  # somebody owns the data after this, and answers on the socket
    _carry(caller, lines, answers)


def _taken() -> tuple[BinaryIO, BinaryIO]:
    """The client's lines and where answers go. What a tool here reads or prints goes elsewhere: it is no message."""
    lines = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout.flush()
    os.dup2(2, 1)
    return lines, answers


def _carry(caller: Caller, lines: BinaryIO, answers: BinaryIO) -> None:
    """Carries messages both ways until the client has no more. Raises Unavailable where the runtime ends before."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import ClientConnection, unix_connect

    def send(pipe: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while line := lines.readline(LINE_BYTES_MAX):
                if line.strip():
                    pipe.send(line.decode(errors="replace").strip())
            pipe.close()

    channel = caller.client.connection.channel()
    with unix_connect(
        uri="ws://localhost/mcp",
        sock=channel,
        additional_headers=caller.client.headers,
        max_size=None,
        compression=None,
        ping_interval=None,
    ) as pipe:
        threading.Thread(target=send, args=(pipe,), name="lichen-lines", daemon=True).start()
        try:
            while True:
                message = pipe.recv(decode=False)
                answers.write(message + b"\n")
        except ConnectionClosed as closed:
            _check(closed.rcvd.code if closed.rcvd is not None else None, closed.reason)


def _check(code: int | None, reason: str) -> None:
    """Raises what the runtime closed the way for, unless the client had no more to say."""
    if code == 1000:
        return
    step = "Start the command again; what was begun goes on."
    raise Unavailable(reason or "The runtime ended.", code="pipe_closed", next_step=step)
