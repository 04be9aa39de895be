"""The demo's components built anew from their sources, and compared with those that its pack holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lichen.cli.guests.building import differences
from lichen.packs.building.building import files_in

DEMO = Path(__file__).parents[1] / "demo"


def held(part: str) -> bytes:
    """The component as it is committed."""
    pack = DEMO / "shop.gtpack"
    return files_in(pack.name, pack.read_bytes())[f"components/shop.{part}.wasm"]


def folder(part: str, tmp_path: Path) -> Path:
    """Its source elsewhere, with what is committed in the place of what it gives."""
    copied = tmp_path / "somewhere" / part
    shutil.copytree(DEMO / "components" / part, copied)
    (copied / "component.wasm").write_bytes(held(part))
    return copied


@pytest.mark.req("DEMO-3.4")
@pytest.mark.parametrize("part", ["hours", "number", "wording"])
def test_what_the_pack_holds_is_what_its_source_gives_byte_for_byte(part: str, tmp_path: Path) -> None:
    assert differences(folder(part, tmp_path)) == ()
