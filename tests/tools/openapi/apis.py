"""Small APIs: a document of one operation, and a server on a port that answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from lichen.core.ports.call import CallMeta
from lichen.core.ports.secrets import Secret
from lichen.core.remote.api import Api
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import Actor, Scope
from lichen.tools.openapi.document import Document, parsed
from lichen.tools.openapi.operation_tool import OperationTool
from lichen.tools.openapi.toolset import listed

DOCUMENTS = Path(__file__).parent / "documents"
URL = "https://api.example.com/v1"


def document(path: str = "/things", method: str = "get", *, version: str = "3.1.0", **said: Any) -> Document:
    """A document of one operation. What is said of `components` and `security` is said of the whole."""
    whole = {key: said.pop(key) for key in ("components", "security", "servers") if key in said}
    tree = {"openapi": version, "info": {}, "paths": {path: {method: said}}, **whole}
    return parsed(msgspec.json.encode(tree), "one.json")


def tool_of(of: Document, url: str = URL, **said: Any) -> OperationTool:
    """The one tool of a document."""
    (found,) = listed(of, msgspec.convert({"name": "shop", "url": url, **said}, Api)).tools
    return found


def why_not(of: Document, **said: Any) -> str:
    """Why the one operation of a document is no tool."""
    found = listed(of, msgspec.convert({"name": "shop", "url": URL, **said}, Api))
    assert found.tools == ()
    return next(iter(found.left_out.values()))


def meta(**secrets: str) -> CallMeta:
    return CallMeta(
        scope=Scope("acme", "dev"),
        actor=Actor("agent", "shop.clerk"),
        run=RunId("run-1"),
        call=CallId("c1"),
        session=None,
        idempotency_key="key-of-this-call",
        attempt=1,
        timeout_s=5.0,
        secrets={name: Secret(value) for name, value in secrets.items()},
    )


async def called(tool: OperationTool, arguments: Mapping[str, Any], with_meta: CallMeta | None = None) -> Any:
    """What a call brings."""
    args = tool.decode(msgspec.json.encode(arguments))
    return msgspec.json.decode(await tool.execute(args, with_meta or meta()))


Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def saying(status: str, body: bytes = b"", media: str = "application/json", **headers: str) -> Answer:
    """Answers each request so."""

    async def answer(_request: bytes, writer: asyncio.StreamWriter) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


class Serving:
    """A server: where it is, and the requests it got, each as its bytes."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[bytes] = []


@asynccontextmanager
async def serving(answer: Answer) -> AsyncGenerator[Serving]:
    """A server on a port of the loopback that takes one request on each connection."""
    found = Serving()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
            )
            found.requests.append(head + await reader.readexactly(length))
            await answer(found.requests[-1], writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
