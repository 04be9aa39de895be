"""The local door: closed to others, reachable however deep it lies, and shut in order."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from lichen.runtime.runtime import Runtime
from lichen.serve.app import make_app
from lichen.serve.http.auth import by_owner
from lichen.serve.listen.address import NAME_BYTES_MAX, address
from lichen.serve.listen.socket import serving


async def ask(path: Path, target: str) -> bytes:
    with address(path) as name:
        reader, writer = await asyncio.open_unix_connection(name)
    writer.write(
        f"GET /api/v1/{target} HTTP/1.1\r\nhost: x\r\nlichen-tenant: acme\r\nconnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.req("SYM-97.7")
@pytest.mark.parametrize("depth", [1, 40])
async def test_the_socket_answers_its_owner_only_however_deep_it_lies(
    runtime: Runtime, tmp_path: Path, depth: int
) -> None:
    folder = tmp_path.joinpath(*["deeper"] * depth)
    folder.mkdir(parents=True)
    path = folder / "lichen.sock"
    assert (len(bytes(path)) > NAME_BYTES_MAX) == (depth > 1)
    async with serving(make_app(runtime, identify=by_owner(runtime)), path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"200 OK" in await ask(path, "health")
    assert not path.exists()


async def test_a_socket_left_by_a_dead_process_is_replaced(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "lichen.sock"
    path.touch()
    async with serving(make_app(runtime, identify=by_owner(runtime)), path):
        assert b"200 OK" in await ask(path, "health")


async def test_a_poll_that_is_open_does_not_keep_the_door_open(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "lichen.sock"
    async with asyncio.timeout(10), serving(make_app(runtime, identify=by_owner(runtime)), path):
        poll = asyncio.ensure_future(ask(path, "log/records?after=1000000&wait_s=60"))
        assert b"200 OK" in await ask(path, "health")
    assert b"200 OK" in await poll
