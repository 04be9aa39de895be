"""The demo plays its story to the end by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shop import Shop


@pytest.mark.req("SYM-101.14")
def test_the_demo_plays_its_story_and_every_step_does_what_it_should(shop: Shop, tmp_path: Path) -> None:
    shop.root = tmp_path
    ended = shop.run("demo")
    assert ended.code == 0, ended.out
    assert "✗" not in ended.out
    assert "kill -9" in ended.out
    assert "The log proves itself." in ended.out
    assert "\x1b" not in ended.out
    assert shop.refunds("1042") == [8000]
    assert not (shop.home / "lichen.sock").exists()
