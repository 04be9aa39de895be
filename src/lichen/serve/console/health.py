"""How the runtime is: whether it takes work, what it carries, what it wants to be known."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import version

import msgspec

from lichen.runtime.operations.admin import DueTimer, Health
from lichen.serve.console.visit import Visit
from lichen.serve.health import readiness

_LIBRARIES = ("lichen", "starlette", "msgspec", "cedarpy", "cryptography", "pydantic")


class HealthPage(msgspec.Struct, frozen=True):
    """`is_ready`: new work is taken, else `reasons` say why not. `queued_rows`
    wait to be committed; `driven` runs and sessions are at work."""

    is_ready: bool
    reasons: tuple[str, ...]
    health: Health
    queued_rows: int
    streams_in_memory: int
    records: int
    durable: int
    timers: tuple[DueTimer, ...]
    versions: dict[str, str]


async def show(visit: Visit) -> HealthPage:
    """The runtime now; timers are those of the visitor's scope, the next ones first."""
    admin = visit.runtime.admin
    load = admin.load(visit.scope, visit.actor)
    found = readiness(visit.runtime, draining=visit.is_draining)
    return HealthPage(
        is_ready=found.ready,
        reasons=found.reasons,
        health=admin.health(visit.scope, visit.actor),
        queued_rows=load.queued_rows,
        streams_in_memory=load.streams_in_memory,
        records=load.records,
        durable=load.durable,
        timers=load.timers,
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    own = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return {**{name: version(name) for name in _LIBRARIES}, **own}
