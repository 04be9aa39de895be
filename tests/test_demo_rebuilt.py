"""The demo's components built anew from their sources, and compared with those that its pack holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lichen.cli.guests.building import build, differences
from lichen.packs.building.building import files_in

DEMO = Path(__file__).parents[1] / "demo"
DIFFERENT_BYTES_MAX = 4_096  # of 18 MB, a snapshot of the memory of Python; 219 were seen


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
@pytest.mark.parametrize("part", ["number", "wording"])
def test_what_the_pack_holds_in_c_and_javascript_is_what_the_source_gives_byte_for_byte(
    part: str, tmp_path: Path
) -> None:
    assert differences(folder(part, tmp_path)) == ()


@pytest.mark.req("DEMO-3.4")
def test_what_the_pack_holds_in_python_is_what_the_source_gives_but_for_a_few_bytes(tmp_path: Path) -> None:
    source = folder("hours", tmp_path)
    build(source, tmp_path / "hours.wasm")
    made, committed = (tmp_path / "hours.wasm").read_bytes(), held("hours")
    assert len(made) == len(committed)
    assert sum(a != b for a, b in zip(made, committed, strict=True)) <= DIFFERENT_BYTES_MAX
