"""The stream of a conversation: what there is after the watermark at once, then what comes, one page in flight."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from typing import Final, NamedTuple

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from lichen.channels.tokens import Issued, Visitor
from lichen.core.words import faults
from lichen.core.words.errors import Denied, LichenError, Unavailable
from lichen.engine.pace.race import race
from lichen.runtime.operations.talk.session import Session
from lichen.serve.http.errors import INTERNAL, failure
from lichen.serve.http.lines import broken
from lichen.serve.http.state import site_of
from lichen.serve.webchat import points
from lichen.serve.webchat.activities import beginning_of, transcript_of
from lichen.serve.webchat.chat import Chats
from lichen.serve.webchat.live import Live
from lichen.serve.webchat.sockets import Sockets
from lichen.serve.webchat.transcript import Transcript
from lichen.serve.webchat.visit import Visit, check_origin

TOKEN_OVER = 1008
TRY_LATER = 1013
CODES: Final[Mapping[str, int | None]] = {
    "left": None,
    "failed": TRY_LATER,
    "replaced": 4000,
    "revoked": TOKEN_OVER,
    "closing": 1001,  # going away
    "over": TOKEN_OVER,
}
"""What a socket is closed with, by what ended it. Nothing where the client left."""


class _Following(NamedTuple):
    """One client that reads on, after a watermark. `session` is None while nothing was said."""

    socket: WebSocket
    visit: Visit
    visitor: Visitor
    session: Session | None
    watermark: int


_log = logging.getLogger("lichen.serve")


async def stream(socket: WebSocket, chats: Chats, sockets: Sockets) -> None:
    """Serves one WebSocket until the client leaves, its token ends or what vouched for it, it is replaced, or the
    server stops."""
    try:
        chat = chats.of(socket.path_params["tenant"])
        check_origin(chat, socket)
        visit = Visit(chat, socket)
        issued, watermark = visit.admitted(), visit.watermark()
        session = await chat.begun(issued.visitor)
        following = _Following(socket, visit, issued.visitor, session, watermark)
        register, names = chat.runtime.register, chat.names(issued.visitor)
        with sockets.holding(issued.visitor.conversation) as replaced, register.holding(*names) as revoked:
            await socket.accept()
            endings = {"replaced": replaced, "revoked": revoked, "closing": site_of(socket).closing}
            code = await _serve(following, issued, endings)
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
        await socket.close(TOKEN_OVER if isinstance(error, Denied) else TRY_LATER)
    elif "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(failure(error))
    else:
        await socket.close(TOKEN_OVER)


async def _serve(following: _Following, issued: Issued, endings: Mapping[str, asyncio.Event]) -> int | None:
    """Sends and listens until something ends it, one of the events `endings` perhaps. Returns the code to close with,
    None if the client left."""
    chat = following.visit.chat
    left_s = issued.expires_s - chat.now_us / 1_000_000
    ended = await race(
        {
            "left": _listen(following.socket),
            "failed": _send(following),
            **{name: event.wait() for name, event in endings.items()},
            "over": chat.runtime.engine.services.sleep(left_s),
        }
    )
    assert ended is not None, "a race without a time ends with its first"
    return CODES[ended]


async def _listen(socket: WebSocket) -> None:
    """Hears nothing: what clients send is an empty frame, to see whether the line holds."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _send(following: _Following) -> None:
    """Sends page after page; ends when the volume stops accepting records or the line is gone."""
    socket, visit, visitor, _, watermark = following
    try:
        transcript, watermark = await _begun(following)
        live = Live(visit.chat.channel, visitor.conversation, watermark)
        if watermark:
            transcript.confirm(watermark)
        while True:
            faults.hit(points.READ)
            page = await transcript.page(watermark)
            watermark = page.watermark
            if page.activities:
                live.finish(page.activities)
                await socket.send_text(page.frame().decode())
                faults.hit(points.SENT)
                if page.tells:
                    transcript.confirm(watermark)
                faults.hit(points.CONFIRMED)
            if page.is_last:
                await _news(socket, transcript, watermark, live)
    except (Unavailable, WebSocketDisconnect, RuntimeError) as error:
        _log.info("a stream ended: %s", type(error).__name__)


async def _begun(following: _Following) -> tuple[Transcript, int]:
    """The conversation once something was said in it, and where to read on; before that its greeting is shown."""
    socket, visit, visitor, session, watermark = following
    if session is None:
        page = beginning_of(visit, visitor, watermark)
        if page.activities:
            await socket.send_text(page.frame().decode())
        watermark = page.watermark
        session = await visit.chat.begun(visitor, waits=True)
        assert session is not None, "it was waited for"
    return transcript_of(visit, session, visitor), watermark


async def _news(socket: WebSocket, transcript: Transcript, watermark: int, live: Live) -> None:
    """Shows what a model says until the log has more."""
    async with aclosing(transcript.partials(watermark)) as partials:
        async for partial in partials:
            if live.is_news(partial):
                await socket.send_text(live.frame(partial, watermark).decode())
