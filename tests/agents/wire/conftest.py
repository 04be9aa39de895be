"""The servers that play providers, one of each for all tests of a worker."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.agents.wire import bedrock, mistral
from tests.agents.wire.aimock import playing
from tests.agents.wire.relay import Relay, serving


@pytest.fixture(scope="session")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Generator[Relay]:
    """aimock, behind a relay that notes and fails."""
    with playing(tmp_path_factory.mktemp("aimock")) as url, Relay(url).serving() as relay:
        yield relay


@pytest.fixture(scope="session")
def mistral_api() -> Generator[Relay]:
    """Mistral's API, behind a relay."""
    with serving(mistral.app()) as url, Relay(url).serving() as relay:
        yield relay


@pytest.fixture(scope="session")
def bedrock_api() -> Generator[Relay]:
    """Bedrock's Converse API, behind a relay."""
    with serving(bedrock.app()) as url, Relay(url).serving() as relay:
        yield relay
