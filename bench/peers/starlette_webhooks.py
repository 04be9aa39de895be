"""The same endpoint in bare Starlette: proves the delivery, reads it and says it has it. No log, no answer."""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from importlib.metadata import version

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

PATH = "/v1/messaging/ingress/webhook/{tenant}"
KEY = b"between us"


async def take(request: Request) -> JSONResponse:
    body = await request.body()
    mark = hmac.new(KEY, body, "sha256").hexdigest()
    if not hmac.compare_digest(mark, request.headers.get("x-signature", "")):
        return JSONResponse({}, 401)
    return JSONResponse({"id": json.loads(body)["id"]})


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": listener.getsockname()[1], "version": version("starlette")}), flush=True)
    app = Starlette(routes=[Route(PATH, take, methods=["POST"])])
    await uvicorn.Server(uvicorn.Config(app, access_log=False, lifespan="off", log_level="error")).serve([listener])


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main())
    except ImportError:
        asyncio.run(main())
