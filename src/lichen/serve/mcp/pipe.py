"""The way of `lichen mcp`: the messages of one client, line by line, through a WebSocket on the owner's socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from lichen.core.words.errors import LichenError
from lichen.serve.http.auth import Identify

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

LINE_BYTES_MAX: Final = 1024 * 1024
REFUSED: Final = 4_000  # the code of a close whose reason is ours


async def serve_pipe(
    socket: WebSocket, made: Callable[[], Awaitable[Server[Any]]], identify: Identify, closing: asyncio.Event
) -> None:
    """Serves one client until it leaves or the server closes. Whose it is, is asked first, and with each message."""
    await socket.accept()
    try:
        caller = identify(socket)
        _ = caller.scope(), caller.actor()
        server = await made()
    except LichenError as error:
        await socket.close(REFUSED, f"{error.code}: {error.message} {error.next_step}"[:120])
        return
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_closed, closing, tasks.cancel_scope)
        await _served(socket, server)
        tasks.cancel_scope.cancel()


async def _closed(closing: asyncio.Event, scope: anyio.CancelScope) -> None:
    await closing.wait()
    await asyncio.sleep(GRACE_S)  # calls under way say that their runs go on
    scope.cancel()


GRACE_S: Final = 0.5


async def _served(socket: WebSocket, server: Server[Any]) -> None:
    from mcp.shared._context_streams import create_context_streams
    from mcp.shared.message import SessionMessage

    incoming, read = create_context_streams[SessionMessage | Exception](0)
    write, outgoing = create_context_streams[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, socket, incoming)
        tasks.start_soon(_write, socket, outgoing)
        await server.run(read, write, server.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _read(socket: WebSocket, incoming: Any) -> None:
    from mcp.shared.message import ServerMessageMetadata, SessionMessage
    from mcp_types import jsonrpc_message_adapter

    async with incoming:
        while True:
            try:
                line = await socket.receive_text()
            except WebSocketDisconnect:
                return
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError as error:
                await incoming.send(error)
                continue
            metadata = ServerMessageMetadata(request_context=socket)
            await incoming.send(SessionMessage(message, metadata=metadata))


async def _write(socket: WebSocket, outgoing: Any) -> None:
    async with outgoing:
        async for message in outgoing:
            await socket.send_text(message.message.model_dump_json(by_alias=True, exclude_unset=True))
