"""A gateway and an egress as whole processes: what `lichen.toml` says of channels is read, and nothing else of it is
loaded: no agents, no keys, no log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from lichen.channels.bus.connection import Bus
from lichen.channels.bus.subjects import TEAM, Way
from lichen.channels.port import Source
from lichen.core.words.errors import Invalid
from lichen.runtime.channels.channels import Channels
from lichen.runtime.channels.opening import open_channels
from lichen.serve.apart.egress import Egress
from lichen.serve.apart.gateway import BusDoor, make_gateway
from lichen.serve.http.lines import broken
from lichen.serve.http.state import of_app
from lichen.serve.listen.tcp import listening_as
from lichen.settings import Settings
from lichen.settings.reading import read
from lichen.tools.egress.reach import Reach


class World(NamedTuple):
    """What a process has of the world: its environment, the time, and ids that nobody can guess."""

    environ: Mapping[str, str]
    clock: Callable[[], int]
    new_id: Callable[[], str]


class Parts(NamedTuple):
    """What a process apart works with."""

    settings: Settings
    channels: Channels
    bus: Bus


def bus_of(settings: Settings, environ: Mapping[str, str]) -> Bus:
    """The bus that the settings name. Raises Invalid (`bus_unset`) where they name none."""
    if settings.bus is None:
        raise Invalid(
            "lichen.toml names no bus, and processes apart have nothing to meet at.",
            code="bus_unset",
            next_step='Add [bus] with kind = "nats", or serve as one process: `lichen serve`.',
        )
    return Bus(settings.bus.url, environ)


def check_ways(channels: Channels) -> None:
    """Raises Invalid (`bus_subject_invalid`) for a channel whose name or team cannot stand in a subject as it is."""
    for each in channels.all:
        way = Way(each.scope.env, each.scope.tenant, each.team or TEAM, each.name)
        if way.ingress.split(".")[3:] != [*way]:
            raise Invalid("The team of a channel has characters that subjects cannot.", code="bus_subject_invalid")


async def as_gateway(
    file: Path, world: World, *, host: str, port: int, opened: Callable[[int], None], end: asyncio.Event
) -> None:
    """Answers platforms until it is told to end. Raises Unavailable (`port_in_use`), Invalid."""
    async with parts_of(file, world) as parts:
        door = BusDoor(parts.bus, parts.channels, parts.settings, world.new_id, world.clock)
        app = make_gateway(door, parts.bus)
        async with listening_as(app, host, port, parts.settings) as number, _started(door, parts.channels):
            opened(number)
            await end.wait()
            of_app(app).drain()


async def as_egress(file: Path, world: World, *, opened: Callable[[], None], end: asyncio.Event) -> None:
    """Hands messages to platforms until it is told to end; what it began is done. Raises Invalid."""
    async with parts_of(file, world) as parts:
        egress = Egress(parts.bus, parts.channels)
        running = asyncio.ensure_future(egress.run())
        opened()
        await end.wait()
        egress.drain()
        await running


@asynccontextmanager
async def parts_of(file: Path, world: World) -> AsyncGenerator[Parts]:
    """What a process apart works with, of a `lichen.toml`. Raises Invalid."""
    found = read(file, environ=world.environ)
    if found.errors or found.settings is None:
        raise found.errors[0]
    channels, errors = open_channels(found, found.settings)
    if errors:
        raise errors[0]
    check_ways(channels)
    bus, reach = bus_of(found.settings, world.environ), Reach()
    channels.begin_apart(reach, found.settings.environment, world.clock)
    bus.open()
    try:
        yield Parts(found.settings, channels, bus)
    finally:
        await bus.close()
        await reach.close()


@asynccontextmanager
async def _started(door: BusDoor, channels: Channels) -> AsyncGenerator[None]:
    """Channels that listen by themselves, at work."""
    started: list[Source] = []
    for scope, channel in channels.working:
        name = channel.name
        if isinstance(channel, Source):
            try:
                await channel.start(door.mailroom(name, scope.tenant))
            except Exception as error:  # noqa: BLE001 - a package may raise anything; the log has its place
                broken(f"start of channel {name} of {scope.tenant}", error)
            else:
                started.append(channel)
    try:
        yield
    finally:
        for each in reversed(started):
            with suppress(Exception):
                each.drain()
                await each.stop()
