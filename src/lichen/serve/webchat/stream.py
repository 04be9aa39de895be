"""The stream of a conversation: what there is after the watermark at once, then what comes, one page in flight."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from lichen.channels.tokens import Issued
from lichen.core import faults
from lichen.core.errors import LichenError, Unavailable
from lichen.core.ids import session_stream
from lichen.runtime.operations.sessions import Session
from lichen.serve.errors import INTERNAL, failure
from lichen.serve.lines import broken
from lichen.serve.webchat import points
from lichen.serve.webchat.activities import transcript_of
from lichen.serve.webchat.chat import Chats
from lichen.serve.webchat.live import Live
from lichen.serve.webchat.sockets import Sockets
from lichen.serve.webchat.visit import Visit, check_origin

GOING_AWAY = 1001
TOKEN_OVER = 1008
TRY_LATER = 1013
REPLACED = 4000

_log = logging.getLogger("lichen.serve")


async def stream(socket: WebSocket, chats: Chats, sockets: Sockets) -> None:
    """Serves one WebSocket until the client leaves, its token ends or what vouched for it, it is replaced, or the
    server stops."""
    try:
        chat = chats.of(socket.path_params["tenant"])
        check_origin(chat, socket)
        visit = Visit(chat, socket, "GET")
        issued, watermark = visit.admitted(), visit.watermark()
        session, _ = await chat.session(issued.visitor)
        register, names = chat.runtime.register, chat.names(issued.visitor)
        with sockets.holding(issued.visitor.conversation) as replaced, register.holding(*names) as ended:
            await socket.accept()
            code = await _serve(socket, visit, issued, session, watermark, {replaced: REPLACED, ended: TOKEN_OVER})
        if code is not None and socket.application_state is WebSocketState.CONNECTED:
            await socket.close(code)
    except LichenError as error:
        await _refuse(socket, error)
    except WebSocketDisconnect:
        pass
    except Exception as error:  # noqa: BLE001 - no stack trace ever leaves; the log has its place
        broken("webchat stream", error)
        await _refuse(socket, INTERNAL)


async def _refuse(socket: WebSocket, error: LichenError) -> None:
    """Tells why, as far as the server can before the handshake; after it a code has to do."""
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.close(TRY_LATER)
    elif "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(failure(error))
    else:
        await socket.close(TOKEN_OVER)


async def _serve(
    socket: WebSocket,
    visit: Visit,
    issued: Issued,
    session: Session,
    watermark: int,
    events: Mapping[asyncio.Event, int],
) -> int | None:
    """Sends and listens until one of the endings comes, `events` among them. Returns the code to close with, None if
    the client left."""
    left_s = issued.expires_s - visit.chat.now_us / 1_000_000
    sleep = visit.chat.runtime.engine.services.sleep
    endings: dict[asyncio.Task[Any], int | None] = {
        _task(_listen(socket)): None,
        _task(_send(socket, visit, issued, session, watermark)): TRY_LATER,
        **{_task(event.wait()): code for event, code in events.items()},
        _task(socket.app.state.closing.wait()): GOING_AWAY,
        _task(_pause(sleep(left_s))): TOKEN_OVER,
    }
    try:
        done, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        ended = next(task for task in endings if task in done)
        ended.result()
        return endings[ended]
    finally:
        for task in endings:
            task.cancel()
        await asyncio.gather(*endings, return_exceptions=True)


def _task(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.ensure_future(work)


async def _pause(sleep: Any) -> None:
    await sleep


async def _listen(socket: WebSocket) -> None:
    """Hears nothing: what clients send is an empty frame, to see whether the line holds."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _send(socket: WebSocket, visit: Visit, issued: Issued, session: Session, watermark: int) -> None:
    """Sends page after page; ends when the volume stops accepting records or the line is gone."""
    transcript = transcript_of(visit, session, issued.visitor)
    live = Live(visit.chat.channel, issued.visitor.conversation, watermark)
    try:
        if watermark:
            await transcript.confirm(watermark)
        while True:
            faults.hit(points.READ)
            page = await transcript.page(watermark)
            watermark = page.watermark
            if page.activities:
                live.finish(page.activities)
                await socket.send_text(page.frame.decode())
                faults.hit(points.SENT)
                await transcript.confirm(watermark)
                faults.hit(points.CONFIRMED)
            if page.is_last:
                await _news(socket, visit, session, watermark, live)
    except (Unavailable, WebSocketDisconnect, RuntimeError) as error:
        _log.info("a stream ended: %s", type(error).__name__)


async def _news(socket: WebSocket, visit: Visit, session: Session, watermark: int, live: Live) -> None:
    """Shows what a model says until the log has more."""
    journal, deltas = visit.chat.journal, visit.chat.runtime.engine.services.deltas
    news = asyncio.ensure_future(journal.changed(session_stream(session.id), watermark))
    try:
        while not news.done() and journal.mailbox(session.id).turn is not None:
            partial = deltas.speaking(visit.chat.scope, session.id)
            if partial is not None and live.is_news(partial):
                await socket.send_text(live.frame(partial, watermark).decode())
                continue
            more = deltas.changed(visit.chat.scope, session.id)
            await asyncio.wait((news, more), return_when=asyncio.FIRST_COMPLETED)
            more.cancel()
        await news
    finally:
        news.cancel()
