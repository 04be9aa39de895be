"""A server between a client and what plays its provider: it notes what is sent, and fails where it is told to.

`/NAME/FAULT/...` is passed on as `/...`; what was sent is noted under NAME.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lichen.testing import model_conformance as scenes

_PASSED_ON = ("content-type", "x-amzn-requestid")
_DROPPED = ("host", "content-length", "connection", "accept-encoding")


@contextmanager
def serving(app: Starlette, *, ssl_certfile: Path | None = None) -> Generator[str]:
    """The application on a free loopback port, in a thread of its own, behind TLS with a certificate; yields its
    address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=ssl_certfile,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        host, port = listener.getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


class Relay:
    """`sent` is what each name's clients sent, oldest first."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.sent: dict[str, list[bytes]] = defaultdict(list)
        self.heads: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.paths: dict[str, list[str]] = defaultdict(list)
        self.url = ""

    @contextmanager
    def serving(self) -> Generator[Relay]:
        """Stands on a free port meanwhile."""
        route = Route("/{name}/{fault}/{rest:path}", self._answer, methods=["GET", "POST"])
        with serving(Starlette(routes=[route])) as self.url:
            yield self

    async def _answer(self, request: Request) -> Response:
        name, fault, rest = (str(request.path_params[each]) for each in ("name", "fault", "rest"))
        body = await request.body()
        self.sent[name].append(body)
        self.heads[name].append(dict(request.headers))
        self.paths[name].append(rest)
        match fault:
            case "hanging":
                await asyncio.sleep(scenes.TRY_S * 5)
                return Response(status_code=504)
            case "garbled":
                return _garbled(streams=_streams(rest, body))
            case "endless":
                return StreamingResponse(_endless(streams=_streams(rest, body)), media_type=_media(rest, body))
            case "cut" | "cut_cleanly" | "none":
                return await self._passed_on(request, rest, body, fault)
            case _:
                return _refused(fault, request, body)

    async def _passed_on(self, request: Request, rest: str, body: bytes, fault: str) -> Response:
        client = httpx.AsyncClient(base_url=self._upstream, timeout=10)
        heads = {name: value for name, value in request.headers.items() if name not in _DROPPED}
        target = httpx.URL(f"/{rest}", query=request.url.query.encode())
        upstream = await client.send(
            client.build_request(request.method, target, content=body, headers=heads), stream=True
        )
        kept = {name: value for name, value in upstream.headers.items() if name in _PASSED_ON}
        chunks = _cut(upstream, client, fault)
        if fault == "cut" and not _streams(rest, body):
            kept["content-length"] = "100000"
        return StreamingResponse(chunks, upstream.status_code, kept)


def _streams(rest: str, body: bytes) -> bool:
    spaced = body.replace(b" ", b"")
    return b'"stream":true' in spaced or "stream" in rest.rpartition("/")[2].lower()


def _media(rest: str, body: bytes) -> str:
    if "converse" in rest:
        return "application/vnd.amazon.eventstream"
    return "text/event-stream" if _streams(rest, body) else "application/json"


async def _cut(upstream: httpx.Response, client: httpx.AsyncClient, fault: str) -> AsyncGenerator[bytes]:
    """The reply, or the first half of it: then the line goes dead, or ends as if that were all."""
    try:
        whole = await upstream.aread()
        if fault == "none":
            yield whole
            return
        half = whole[: len(whole) // 2]
        yield half[: half.rfind(b"\n\n") + 2] if b"\n\n" in half else half
        if fault == "cut":
            raise ClientDisconnect  # which ends the response as it is
    finally:
        await upstream.aclose()
        await client.aclose()


def _garbled(*, streams: bool) -> Response:
    if streams:
        return Response(b'data: {"id": "x", "choices": [\n\ndata: {"type"\n\n', media_type="text/event-stream")
    return Response(b'{"id": "x", "choices": [', media_type="application/json")


async def _endless(*, streams: bool) -> AsyncGenerator[bytes]:
    line = b": still here\n\n" * 4096 if streams else b" " * 65_536
    for _ in range(8 * 1024 * 1024 // len(line) + 20):
        yield line
    await asyncio.sleep(scenes.TRY_S * 5)


_AMAZON = {
    "unauthorized": "UnrecognizedClientException",
    "limited": "ThrottlingException",
    "limited_for_seconds": "ThrottlingException",
    "limited_until": "ThrottlingException",
    "broken": "InternalServerException",
    "unknown_model": "ResourceNotFoundException",
}
_STATUS = {
    "unauthorized": 401,
    "limited": 429,
    "limited_for_seconds": 429,
    "limited_until": 429,
    "broken": 500,
    "overloaded": 529,
    "unknown_model": 404,
    "too_long": 413,
    "refused": 400,
}


def _refused(fault: str, request: Request, body: bytes) -> Response:
    """A refusal that repeats, as some do, the key and the prompt."""
    said = f"no: {dict(request.headers)} {body.decode('utf-8', 'replace')}"
    error: dict[str, Any] = {"message": said, "type": "error", "code": "content_filter" if fault == "refused" else None}
    heads = {"x-amzn-errortype": _AMAZON[fault]} if fault in _AMAZON else {}
    if fault == "limited_for_seconds":
        heads["retry-after"] = str(int(scenes.LIMITED_S))
    if fault == "limited_until":
        heads["retry-after"] = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    return JSONResponse({"error": error, "message": said}, _STATUS[fault], heads)
