"""What plays a provider: it speaks Chat Completions on loopback and answers at once. Prints its port, ends on SIGTERM.

The same words for everybody, which are also an answer of the type that is asked for; a word a piece where it streams.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Mapping
from typing import cast

from bench.peers.shapes import PROVIDED

USAGE = {"prompt_tokens": 900, "completion_tokens": 30, "total_tokens": 930}
STREAMS = re.compile(rb'"stream"\s*:\s*true')
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


def _completion(kind: str, part: Mapping[str, object], reason: str | None) -> dict[str, object]:
    choice = {"index": 0, "finish_reason": reason, **part}
    return {"id": "c1", "object": kind, "created": 1, "model": "gpt-4.1-mini-2025-04-14", "choices": [choice]}


def _whole() -> bytes:
    message = {"message": {"role": "assistant", "content": PROVIDED}}
    body = json.dumps(_completion("chat.completion", message, "stop") | {"usage": USAGE}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _streamed() -> bytes:
    kind = "chat.completion.chunk"
    told: list[dict[str, object]] = [
        _completion(kind, {"delta": {"role": "assistant", "content": word}}, None)
        for word in re.findall(r"\S+\s*", PROVIDED)
    ]
    told.append(_completion(kind, {"delta": {}}, "stop"))
    told.append(_completion(kind, {}, None) | {"choices": [], "usage": USAGE})
    lines = [f"data: {json.dumps(each)}\n\n".encode() for each in told] + [b"data: [DONE]\n\n"]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(f"{len(line):x}\r\n".encode() + line + b"\r\n" for line in lines) + b"0\r\n\r\n"


WHOLE, STREAMED = _whole(), _streamed()


class Answering(asyncio.Protocol):
    """One connection: what is answered is known when the request is whole."""

    def __init__(self) -> None:
        self._heard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return
        assert self._transport is not None
        self._heard = b""
        self._transport.write(STREAMED if STREAMS.search(body) else WHOLE)


async def main() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    server = await loop.create_server(Answering, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await told.wait()
    server.close()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main())
    except ImportError:
        asyncio.run(main())
