"""How the runtime is: whether it takes work, what it carries, what it wants to be known."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import version

import msgspec

from lichen.runtime.operations.admin import Health
from lichen.serve.console.visit import Visit
from lichen.serve.health import readiness

TIMERS_SHOWN = 50
_LIBRARIES = ("lichen", "starlette", "msgspec", "cedarpy", "cryptography", "pydantic")


class Due(msgspec.Struct, frozen=True):
    """A timer of this scope and when it comes due."""

    stream: str
    timer: str
    due_at_us: int


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
    timers: tuple[Due, ...]
    versions: dict[str, str]


async def show(visit: Visit) -> HealthPage:
    """The runtime now; timers are those of the visitor's scope, the next ones first."""
    runtime, log = visit.runtime, visit.runtime.log(visit.scope)
    health = runtime.admin.health(visit.scope, visit.actor)
    due = [Due(str(stream), timer, at) for stream, timers in log.timers().items() for timer, at in timers.items()]
    found = readiness(runtime, draining=visit.is_draining)
    return HealthPage(
        is_ready=found.ready,
        reasons=found.reasons,
        health=health,
        queued_rows=runtime.volume.queued_rows,
        streams_in_memory=log.streams_in_memory,
        records=log.last_seq,
        durable=log.durable_seq,
        timers=tuple(sorted(due, key=lambda each: each.due_at_us)[:TIMERS_SHOWN]),
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    own = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return {**{name: version(name) for name in _LIBRARIES}, **own}
