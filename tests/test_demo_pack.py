"""The demo's pack as it is committed: trusted as strictly as any, and made of what lies beside it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Customer, Scope
from lichen.packs.building.building import build, files_in
from lichen.packs.building.folder import Folder, files_of
from lichen.packs.manifests.source import FILE, read_source
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.tools.wasm.component_tool import ComponentTool

DEMO = Path(__file__).parents[1] / "demo"
PACK, SETTINGS = DEMO / "shop.gtpack", DEMO / "lichen.toml"
SIGNED = "signatures/"
LEFT = shutil.ignore_patterns("__pycache__", ".lichen")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The demo in a folder of its own, where no environment is for development."""
    root = tmp_path / "shop"
    shutil.copytree(DEMO, root, ignore=LEFT)
    settings = root / "lichen.toml"
    text = re.sub(r'development = \["dev"\]\n', "", settings.read_text())
    settings.write_text(re.sub(r"signed_in = \[[^\n]*\n", "", text))
    return root


def held() -> dict[str, bytes]:
    return files_in(PACK.name, PACK.read_bytes())


@pytest.mark.req("DEMO-3.1")
def test_the_demos_pack_is_trusted_where_nothing_is_for_development(shop: Path) -> None:
    project = load(shop / "lichen.toml", environ={})
    assert (project.flows, project.warnings) == (("shop.welcome",), ())


@pytest.mark.req("DEMO-3.1")
@pytest.mark.parametrize("at", [b"shop.hours", b"welcome-only-tells", b"\0asm\x0d\0\x01\0"], ids=str)
def test_a_pack_of_which_one_byte_was_changed_is_refused(shop: Path, at: bytes) -> None:
    pack = shop / PACK.name
    data = bytearray(pack.read_bytes())
    data[data.index(at) + 4] ^= 1
    pack.write_bytes(data)
    with pytest.raises(LichenError) as told:
        load(shop / "lichen.toml", environ={})
    assert told.value.code.startswith("pack_")


@pytest.mark.req("DEMO-3.1")
def test_another_pack_than_the_one_that_is_pinned_is_refused_though_it_is_trusted(shop: Path) -> None:
    settings = shop / "lichen.toml"
    settings.write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", settings.read_text()))
    with pytest.raises(LichenError, match="pack_digest_differs"):
        load(settings, environ={})


@pytest.mark.req("DEMO-3.2")
def test_the_demos_pack_is_what_its_folder_gives_signatures_apart() -> None:
    files = {path: data for path, data in files_of(DEMO / "pack").items() if not path.startswith("components/")}
    files |= {path: data for path, data in held().items() if path.startswith("components/")}
    folder = Folder("pack", files, read_source(files[FILE], FILE))
    made = files_in("shop", build(folder).data)
    committed = {path: data for path, data in held().items() if not path.startswith(SIGNED)}
    assert {path: data for path, data in made.items() if path != "sbom.cbor"} == {
        path: data for path, data in committed.items() if path != "sbom.cbor"
    }


@pytest.mark.req("DEMO-3.2")
def test_the_pack_says_of_its_components_what_they_say_themselves() -> None:
    source = read_source((DEMO / "pack" / FILE).read_bytes(), FILE)
    for each in source.components:
        said = json.loads((DEMO / "components" / each.id.rpartition(".")[2] / "component.manifest.json").read_text())
        (operation,) = said["operations"]
        assert (each.id, each.version, each.world) == (said["id"], said["version"], said["world"])
        found = [(one.name, one.input_schema, one.output_schema) for one in each.operations]
        assert found == [(operation["name"], operation["input_schema"], operation["output_schema"])]


@pytest.mark.req("DEMO-3.3")
async def test_a_component_in_each_language_takes_part_in_the_conversation(tmp_path: Path) -> None:
    project = load(SETTINGS, environ={"LICHEN_HOME": str(tmp_path)})
    expected = {
        "Where is order 10-42?": "Order 1042 (espresso machine) is shipped, arrives tomorrow.",
        "Are you open on Sunday?": "On Sunday we are closed.",
        "Where is order 9999?": "I find no order 9999 of yours.",
    }
    for tool in project.tools:
        if isinstance(tool, ComponentTool):
            assert tool.component.program, "compiled before it is asked, as a server does beside what it serves"
    async with Runtime.of(project) as runtime:
        for text, answer in expected.items():
            session = await runtime.sessions.open(Scope("acme", "dev"), Customer("customer-7"), agent="shop.welcome")
            assert (await (await session.say(text)).result()).text == answer


@pytest.mark.req("DEMO-3.1")
def test_no_private_key_lies_in_the_tree() -> None:
    root = DEMO.parent
    places = [path for name in ("demo", "tests", "spec", "docs", ".ci") for path in (root / name).rglob("*.pem")]
    assert [str(path) for path in places if b"PRIVATE KEY" in path.read_bytes()] == []
