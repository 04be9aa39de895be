"""Hosting: listeners are opened in order and shut in reverse, and a worker needs none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from lichen import Agent, Customer, Runtime, Scope
from lichen.core.words.errors import Unavailable
from lichen.core.words.scope import SYSTEM
from lichen.serve.host import Endings, Listener, host
from lichen.serve.listeners import OwnerSocket, PublicPort
from tests.serve.widget import DEADLINE_S, Echo

ACME = Scope("acme", "dev")


class Gate:
    """A listener that notes what is done with it."""

    def __init__(self, name: str, noted: list[str], *, is_shut: bool = False) -> None:
        self._name, self._noted, self._is_shut = name, noted, is_shut

    async def start(self, runtime: Runtime) -> None:
        if self._is_shut:
            raise Unavailable("It is in use.", code="port_in_use")
        self._noted.append(f"{self._name} starts")

    def drain(self) -> None:
        self._noted.append(f"{self._name} drains")

    async def stop(self) -> None:
        self._noted.append(f"{self._name} stops")


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[Runtime]:
    async with Runtime.open(tmp_path / "data", agents=[Agent("shop.echo", planner=Echo())]) as runtime:
        yield runtime


@pytest.mark.req("LIC-17.1")
async def test_listeners_open_in_order_and_shut_in_reverse(runtime: Runtime) -> None:
    noted: list[str] = []
    endings = Endings()
    endings.leave.set()
    gates = (Gate("first", noted), Gate("second", noted))
    assert await host(runtime, gates, endings, opened=lambda: noted.append("open")) == "leave"
    assert noted == [
        "first starts", "second starts", "open", "second drains", "second stops", "first drains", "first stops",
    ]  # fmt: skip


@pytest.mark.req("LIC-17.1")
async def test_a_listener_that_cannot_open_shuts_those_before_it(runtime: Runtime) -> None:
    noted: list[str] = []
    gates = (Gate("first", noted), Gate("second", noted, is_shut=True))
    with pytest.raises(Unavailable, match="in use"):
        await host(runtime, gates, Endings(), opened=lambda: noted.append("open"))
    assert noted == ["first starts", "first drains", "first stops"]


@pytest.mark.req("LIC-17.1")
async def test_a_worker_drives_what_is_owed_without_a_door(runtime: Runtime) -> None:
    run = await runtime.runs.start(ACME, "shop.echo", "hello", Customer("ann"))
    endings = Endings()
    endings.finish.set()
    assert await host(runtime, (), endings, opened=lambda: None) == "finish"
    assert runtime.runs.outcome(ACME, run, SYSTEM).answer == "echo: hello"


@pytest.mark.req("LIC-17.1")
async def test_a_host_ends_when_an_operation_stops_the_runtime(runtime: Runtime) -> None:
    hosted = asyncio.ensure_future(host(runtime, (), Endings(), opened=lambda: None))
    runtime.ending.set()
    async with asyncio.timeout(DEADLINE_S):
        assert await hosted == "stopped"


async def test_the_doors_of_a_process_are_listeners(runtime: Runtime, tmp_path: Path) -> None:
    public, endings, is_open = PublicPort("127.0.0.1", 0), Endings(), asyncio.Event()
    listeners: tuple[Listener, ...] = (OwnerSocket(tmp_path / "lichen.sock"), public)
    hosted = asyncio.ensure_future(host(runtime, listeners, endings, opened=is_open.set))
    async with asyncio.timeout(DEADLINE_S):
        await is_open.wait()
        over_socket = httpx.AsyncHTTPTransport(uds=str(tmp_path / "lichen.sock"))
        async with httpx.AsyncClient(transport=over_socket, base_url="http://lichen") as owner:
            assert (await owner.get("/api/v1/health")).status_code == 200
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{public.number}") as stranger:
            assert (await stranger.get("/readyz")).status_code == 200
        endings.leave.set()
        await hosted
    assert not (tmp_path / "lichen.sock").exists()
