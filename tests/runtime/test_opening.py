"""Who opens a data directory second learns that, and touches nothing in it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from lichen.core.words.errors import LichenError
from lichen.log.disk.lock import DirectoryLock
from lichen.log.keys.keyring import Keyring
from lichen.runtime import Runtime
from lichen.runtime.operations.admin import Admin


@pytest.mark.req("LIC-26.2")
async def test_the_lock_comes_before_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*given: object, **named: object) -> NoReturn:
        raise AssertionError("the keys were touched")

    monkeypatch.setattr(Keyring, "open", touched)
    lock = DirectoryLock(tmp_path)
    with pytest.raises(LichenError) as caught:
        async with Runtime.open(tmp_path, agents=[]):
            pass
    lock.release()
    assert caught.value.code == "data_dir_in_use"


@pytest.mark.req("LIC-26.2")
async def test_a_start_that_fails_lets_the_next_one_in(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("no directory")
    with pytest.raises(LichenError):
        async with Runtime.open(tmp_path, agents=[]):
            pass
    (tmp_path / "keys").unlink()
    async with Runtime.open(tmp_path, agents=[]):
        pass


@pytest.mark.req("LIC-26.2")
async def test_a_start_that_fails_at_its_end_lets_the_next_one_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> NoReturn:
        raise LichenError("It does not begin.", code="begins_not")

    monkeypatch.setattr(Admin, "__init__", fail)
    with pytest.raises(LichenError, match="It does not begin"):
        async with Runtime.open(tmp_path, agents=[]):
            pass
    monkeypatch.undo()
    async with Runtime.open(tmp_path, agents=[]):
        pass


@pytest.mark.req("LIC-26.2")
def test_of_two_that_start_at_the_same_instant_one_learns_that_it_is_second(tmp_path: Path) -> None:
    for n in range(10):
        assert sorted(_race(tmp_path / str(n))) == ["data_dir_in_use", "ok"]


def _race(home: Path) -> list[str]:
    home.mkdir()
    both, found = threading.Barrier(2), list[str]()

    async def own() -> None:
        both.wait()
        try:
            async with Runtime.open(home, agents=[]):
                found.append("ok")
                await asyncio.to_thread(both.wait)
        except LichenError as error:
            found.append(error.code)
            both.wait()

    threads = [threading.Thread(target=lambda: asyncio.run(own())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
