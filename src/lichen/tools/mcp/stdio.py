"""A server that is a process of ours: messages are lines, each of a bounded length, and it never outlives us.

Source: Model Context Protocol, transports, stdio.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from lichen.core.remote.server import Server
from lichen.tools.cage.choice import Cages
from lichen.tools.cage.port import Caged, Command

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
STDERR_BYTES_MAX: Final = 16 * 1024  # the last of what it wrote there
LEAVE_S: Final = 2.0  # to end by itself, once its input ended; and again once it was told to
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
TOLD: Final = ("PATH", "LANG", "LC_ALL", "TZ")  # to what is in a cage
CAGES: Final = Cages()
Credentials = Mapping[str, Mapping[str, str]]
LAUNCH: Final = (  # a process that is sent SIGKILL when its parent dies, however that dies
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 9)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)


class Errors:
    """The last that a process wrote to its standard error."""

    def __init__(self) -> None:
        self._tail = bytearray()

    def add(self, data: bytes) -> None:
        """Keeps the end of it."""
        self._tail += data
        del self._tail[:-STDERR_BYTES_MAX]

    @property
    def last(self) -> str:
        """Its last line."""
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else ""


@asynccontextmanager
async def process(
    server: Server, env: Mapping[str, str], credentials: Credentials, errors: Errors
) -> AsyncGenerator[TransportStreams]:
    """The streams of a server that was started for this, in its cage if it has one. It gets `env` and a few variables
    of ours, no more; its requests get `credentials`.

    It is killed with all its children in the end. Raises OSError where it cannot be started, and as `Cage.start`.
    """
    import anyio
    from mcp.shared.message import SessionMessage

    caged = await _caged(server, env, credentials)
    started = await _started(server, env) if caged is None else caged.process
    to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, started, to_session)
            tasks.start_soon(_write, started, from_session, to_session)
            tasks.start_soon(_listen, started, errors)
            try:
                yield incoming, outgoing
            finally:
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _ended(started)
            if caged is not None:
                await caged.end()
                if caged.exceeded:
                    errors.add(f"\nIt was ended, since it used more {caged.exceeded} than it may.".encode())
        for stream in (to_session, incoming, outgoing, from_session):
            stream.close()


async def _caged(server: Server, env: Mapping[str, str], credentials: Credentials) -> Caged | None:
    """The server in its cage, None where it has none. Where no cage works it is not started."""
    if server.cage is None:
        return None
    inherited = {name: os.environ[name] for name in TOLD if name in os.environ}
    command = Command(server.command, server.cwd, {**inherited, **env}, server.hides, credentials)
    return await (await CAGES.of("jail")).start(command, server.cage)


async def _started(server: Server, env: Mapping[str, str]) -> asyncio.subprocess.Process:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    launched = (sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid())) if sys.platform == "linux" else ()
    return await asyncio.create_subprocess_exec(
        *launched,
        *server.command,
        env={**inherited, **env},
        cwd=server.cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a group of its own, so that its children go with it
        limit=MESSAGE_BYTES_MAX,
    )


async def _read(started: asyncio.subprocess.Process, to_session: Any) -> None:
    """Hands messages on, one line each. Ends, and with it the connection, where a line has no end."""
    import anyio
    from mcp.shared.message import SessionMessage
    from mcp.types import jsonrpc_message_adapter

    assert started.stdout is not None
    async with to_session:
        while True:
            try:
                line = await started.stdout.readline()
            except ValueError:  # longer than a message may be
                return
            if not line:
                return
            if not line.strip():
                continue
            try:
                message: SessionMessage | Exception = SessionMessage(jsonrpc_message_adapter.validate_json(line))
            except ValueError as error:
                message = error
            try:
                await to_session.send(message)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return


async def _write(started: asyncio.subprocess.Process, from_session: Any, to_session: Any) -> None:
    assert started.stdin is not None
    async with from_session:
        async for message in from_session:
            line = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                started.stdin.write(line.encode() + b"\n")
                await started.stdin.drain()
            except (ConnectionError, RuntimeError):
                await to_session.aclose()  # whoever waits for an answer learns that none comes
                return


async def _listen(started: asyncio.subprocess.Process, errors: Errors) -> None:
    assert started.stderr is not None
    while data := await started.stderr.read(4_096):
        errors.add(data)


async def _ended(started: asyncio.subprocess.Process) -> None:
    """Closes its input, waits, tells it and its children to end, and kills what is left of them."""
    assert started.stdin is not None
    started.stdin.close()
    for sent in (None, signal.SIGTERM):
        if sent is not None:
            _signalled(started, sent)
        with suppress(TimeoutError):
            await asyncio.wait_for(started.wait(), LEAVE_S)
            break
    _signalled(started, signal.SIGKILL)
    with suppress(TimeoutError):
        await asyncio.wait_for(started.wait(), LEAVE_S)
    transport: Any = getattr(started, "_transport", None)  # a child that left the group may hold a pipe open
    if transport is not None:
        transport.close()


def _signalled(started: asyncio.subprocess.Process, what: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(started.pid, what)
