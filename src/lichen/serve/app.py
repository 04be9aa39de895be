"""The application: every route, wrapped once so that identity, rights and errors are the same everywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router

from lichen.core.words.errors import LichenError, NotFound
from lichen.runtime.runtime import Runtime
from lichen.serve.api import ROUTES, ApiRoute
from lichen.serve.http.auth import Caller, Identify
from lichen.serve.http.errors import INTERNAL, JSON, MethodUnknown, failure
from lichen.serve.http.exchange import BODY_BYTES_MAX, Exchange, load, read_body
from lichen.serve.http.lines import broken
from lichen.serve.http.state import Site
from lichen.serve.mcp import pipe_routes

PREFIX = "/api/v1"

Admits = Callable[[ApiRoute], None]
"""Raises what is told to whoever asks for a route that is not to be had."""


def everything(route: ApiRoute) -> None:
    """Lets every route be asked for."""


def make_app(runtime: Runtime, *, identify: Identify, admits: Admits = everything) -> Starlette:
    """The HTTP API over a running runtime, as an ASGI application without lifespan.

    `identify` recognises the caller of a request; it is what differs between a socket that only its owner can open
    and a port that anybody can reach. `admits` says which routes are to be had at all.
    """
    pipe = () if runtime.only_looks else pipe_routes(runtime, identify)
    routes = [*api_routes(runtime, identify, admits), *pipe]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _unroutable})
    return Site().of(app)


def api_routes(runtime: Runtime, identify: Identify, admits: Admits = everything) -> list[BaseRoute]:
    """The API's routes, for an application with a `Site`."""
    routes = [
        Route(f"/{route.path}", _endpoint(runtime, identify, route, admits), methods=[route.method]) for route in ROUTES
    ]
    return [Mount(PREFIX, app=Router(routes, redirect_slashes=False))]


def _endpoint(
    runtime: Runtime, identify: Identify, route: ApiRoute, admits: Admits
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            admits(route)
            if route.body_bytes_max > BODY_BYTES_MAX:
                _admitted(identify, request, route)
            body = await read_body(request, bytes_max=route.body_bytes_max)
            exchange = Exchange(runtime, request, body, admit=lambda: _admitted(identify, request, route), takes=route)
            await load(runtime, exchange.caller, request.path_params)
            return _success(await route.handler(exchange))
        except LichenError as error:
            return failure(error)
        except Exception as error:  # noqa: BLE001 - no stack trace ever leaves; the log has its place
            broken(f"{route.method} {route.path}", error)
            return failure(INTERNAL)

    return endpoint


def _admitted(identify: Identify, request: Request, route: ApiRoute) -> Caller:
    caller = identify(request)
    caller.require(route.access)
    return caller


def _success(value: Any) -> Response:
    if isinstance(value, Response):
        return value
    return Response(msgspec.json.encode(value), media_type=JSON)


async def _unroutable(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return failure(MethodUnknown("This path has no such method."))
    return failure(NotFound("There is no such path.", code="path_unknown", next_step="Read the list of routes."))
