"""What the processes of one installation share of the models they ask, and the name that a key has in all of them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from lichen.agents.lanes.file import FILE
from lichen.agents.lanes.window import Way
from lichen.evals import read, tried
from lichen.runtime.given.sharing import SALT, SALT_BYTES, found, salt, sharing
from lichen.runtime.project.loading import load
from tests.agents.wire.relay import Relay
from tests.runtime.test_connections import ACME, KEYS, KeyOf, api, opened, project_of, said

__all__ = ["api"]  # a fixture

SUITE = """
[[case]]
name = "hello"
[[case.turn]]
says = "Hello."
"""


def now_us() -> int:
    return time.time_ns() // 1000


def random(count: int) -> bytes:
    return os.urandom(count)


@pytest.mark.req("GOA-65.17")
async def test_a_runtime_divides_its_ways_with_what_else_asks_over_its_directory(tmp_path: Path, api: Relay) -> None:
    async with opened(project_of(tmp_path, api), KeyOf(KEYS)) as runtime:
        assert await said(runtime, ACME) == "by 1"
        with sqlite3.connect(runtime.home / FILE) as db:
            assert db.execute("SELECT count(*) FROM uses").fetchone()[0] <= 1
        db.close()
        async with sharing(runtime.home, now_us, random, is_guest=True) as guest:
            assert guest.salt() == salt(runtime.home / "keys", random)
            met = asyncio.Event()
            way = Way("somebody", "far:one")
            guest.windows.watch(lambda _: met.set() if guest.windows.share(way).elsewhere == 1 else None)
            runtime.ways.lane(way)
            place = await runtime.ways.lane(way).limiter.place("acme", within_s=5.0)
            guest.windows.use(way, in_flight=0, waiting=1)
            async with asyncio.timeout(10.0):
                await met.wait()
            assert guest.windows.processes == 2
            runtime.ways.lane(way).limiter.leave(place, None, is_answer=True)


@pytest.mark.req("GOA-65.17")
async def test_evals_that_ask_a_provider_share_the_ways_of_their_project(tmp_path: Path, api: Relay) -> None:
    project = project_of(tmp_path, api)
    home = project.root / "home"
    async with opened(project, KeyOf(KEYS)) as runtime:
        await said(runtime, ACME)
    (home / FILE).unlink()
    suite = project.root / "hello.toml"
    suite.write_text(SUITE)
    loaded = load(project.root / "lichen.toml", environ={"LICHEN_HOME": str(home)})
    await tried(loaded, [(suite, read(suite))], times=1, told=lambda name, number, met: None)
    assert not (home / FILE).exists(), "no key, so nobody was asked"
    keyed = project.root / "lichen.toml"
    keyed.write_text(keyed.read_text().replace('"secret:model.key"', '"none"'))
    loaded = load(keyed, environ={"LICHEN_HOME": str(home)})
    report = await tried(loaded, [(suite, read(suite))], times=1, told=lambda name, number, met: None)
    assert report.cases[0].trials[0].error == ""
    assert (home / FILE).exists()


@pytest.mark.req("GOA-65.18")
def test_the_salt_of_an_installation_lies_with_its_keys_and_is_one_whoever_makes_it(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    gate, salts = threading.Barrier(8), list[bytes]()

    def make() -> None:
        gate.wait()
        salts.append(salt(keys, random))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(salts) == 8
    assert set(salts) == {found(keys, random)}
    assert [path.name for path in keys.iterdir()] == [SALT]
    assert (keys / SALT).stat().st_mode & 0o077 == 0


@pytest.mark.req("GOA-65.18")
def test_where_no_salt_can_be_kept_a_process_has_its_own(tmp_path: Path) -> None:
    assert found(tmp_path, random) != found(tmp_path, random)
    assert list(tmp_path.iterdir()) == []
    assert salt(tmp_path / "missing", random) != salt(tmp_path / "missing", random)
    (tmp_path / SALT).write_bytes(b"short")
    assert len(salt(tmp_path, random)) == SALT_BYTES
