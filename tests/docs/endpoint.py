"""A language model's endpoint as the pages about models expect one: asks for the tool, then tells its result."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def _said(asked: dict[str, Any]) -> dict[str, Any]:
    """What the model says: it looks up the order once, if it has something to look it up with."""
    last: dict[str, Any] = asked["messages"][-1]
    if last["role"] == "tool":
        return {"role": "assistant", "content": f"Order 1042 is {json.loads(last['content'])['status']}."}
    if "tools" not in asked:
        return {"role": "assistant", "content": "ok"}
    (tool,) = asked["tools"]
    function = {"name": tool["function"]["name"], "arguments": '{"order_id": "1042"}'}
    return {"role": "assistant", "tool_calls": [{"index": 0, "id": "1", "type": "function", "function": function}]}


class _Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said, usage = _said(asked), {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        choice = {"index": 0, "finish_reason": "tool_calls" if "tool_calls" in said else "stop"}
        head = {"id": "1", "created": 1_790_000_000, "model": asked["model"], "usage": usage}
        if asked.get("stream"):
            head |= {"object": "chat.completion.chunk", "choices": [{**choice, "delta": said}]}
            body = f"data: {json.dumps(head)}\n\ndata: [DONE]\n\n".encode()
        else:
            body = json.dumps({**head, "object": "chat.completion", "choices": [{**choice, "message": said}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if asked.get("stream") else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        """Says nothing."""


@contextmanager
def endpoint() -> Generator[str]:
    """The address of a running one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
