"""A language model's endpoint as `docs/pages/how-to/model.md` expects one: asks for the tool, then tells its result."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        last: dict[str, Any] = asked["messages"][-1]
        if last["role"] == "tool":
            status = json.loads(last["content"])["status"]
            said: dict[str, Any] = {"role": "assistant", "content": f"Order 1042 is {status}."}
        else:
            (tool,) = asked["tools"]
            function = {"name": tool["function"]["name"], "arguments": '{"order_id": "1042"}'}
            said = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": function}]}
        body = json.dumps({"choices": [{"message": said}], "usage": {"prompt_tokens": 7}}).encode()
        self.send_response(200)
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
