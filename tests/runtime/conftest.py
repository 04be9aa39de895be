"""What every test of the runtime starts from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lichen.core.words import faults
from lichen.runtime import Runtime, wiring
from tests.runtime.world import PAID, Disk, runtime_in


@pytest.fixture(autouse=True)
def empty_till() -> None:
    PAID.clear()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    monkeypatch.setattr(wiring, "RECOVER_S", 0.01)
    yield Disk()
    faults.install(None)


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with runtime_in(tmp_path) as opened:
        yield opened
