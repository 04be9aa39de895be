"""Whether the process is alive and whether it can take work, for whoever watches it from outside."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lichen.runtime.runtime import Runtime
from lichen.serve.http.errors import JSON
from lichen.serve.http.state import site_of


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "alive"


class Readiness(msgspec.Struct, frozen=True):
    """Whether work is taken; `reasons` say why not: `draining`, `volume_readonly`, `overloaded`."""

    ready: bool
    reasons: tuple[str, ...]


def readiness(runtime: Runtime, *, draining: bool) -> Readiness:
    """Whether a runtime takes work now."""
    found = {
        "draining": draining,
        "volume_readonly": runtime.volume.is_readonly,
        "overloaded": runtime.engine.driven >= runtime.engine.services.options.runs_max,
    }
    reasons = tuple(reason for reason, holds in found.items() if holds)
    return Readiness(not reasons, reasons)


def health_routes(runtime: Runtime) -> list[BaseRoute]:
    """`/healthz` and `/readyz`, for an application with a `Site`."""

    async def alive(request: Request) -> Response:
        return Response(msgspec.json.encode(Alive()), media_type=JSON)

    async def ready(request: Request) -> Response:
        found = readiness(runtime, draining=site_of(request).draining)
        return Response(msgspec.json.encode(found), 200 if found.ready else 503, media_type=JSON)

    return [Route("/healthz", alive), Route("/readyz", ready)]
