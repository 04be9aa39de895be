"""The same endpoint in bare Starlette: reads the activity and says it has it. No identity, no log, no answer."""

from __future__ import annotations

import asyncio
import json
import socket
from importlib.metadata import version

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

PATH = "/v1/messaging/webchat/{tenant}/v3/directline/conversations/{conversation}/activities"


async def take(request: Request) -> JSONResponse:
    activity = await request.json()
    return JSONResponse({"id": f"{request.path_params['conversation']}|{activity['id']}"})


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
