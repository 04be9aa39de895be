"""The servers that play providers, one of each for all tests of a worker."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.agents.wire.aimock import playing
from tests.agents.wire.relay import Relay


@pytest.fixture(scope="session")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Generator[Relay]:
    """aimock, behind a relay that notes and fails."""
    with playing(tmp_path_factory.mktemp("aimock")) as url, Relay(url).serving() as relay:
        yield relay
