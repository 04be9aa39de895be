from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.log.homes import Home


@pytest.fixture
async def home(tmp_path: Path) -> AsyncGenerator[Home]:
    home = Home(tmp_path)
    yield home
    await home.close()
