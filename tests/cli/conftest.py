"""Shops to run commands in: a fresh one for each test, and one with a host for all tests that only read."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.cli.shop import LARGE, Shop


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("cli"))
    yield shop
    shop.close()


@pytest.fixture(scope="package")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shop]:
    """A shop with a host, in which customer-7 waits for a refund. Tests must leave it as it is."""
    shop = Shop(tmp_path_factory.mktemp("hosted"))
    shop.host()
    assert "checked" in shop.chat(LARGE)[0]
    yield shop
    shop.close()
