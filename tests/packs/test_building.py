"""A folder as a pack: the same bytes each time, which pass our own strict checks and another reader's."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lichen.core.words.errors import LichenError
from lichen.packs.building.building import Built, build
from lichen.packs.building.describing import described, planned
from lichen.packs.building.folder import read_folder
from lichen.packs.building.signing import signed_pack
from lichen.packs.container.archive import Archive, opened
from lichen.packs.manifests.extensions import contents_of, flaws
from lichen.packs.manifests.reading import read_manifest
from lichen.packs.proofs import lock
from lichen.packs.proofs.sbom import differences, read_sbom
from lichen.packs.proofs.trust import Ring, Root, judged, proven
from tests.packs.making import NOW, WASM

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
FLOW = """id: desk
type: messaging
nodes:
  ask:
    qa.process: {question: hi}
    routing: [{status: done, to: bye}, {to: again}]
  again:
    emit.response: {text: Again}
    routing: [{condition: 'in.x == "1"', to: bye}, {out: true}]
  bye:
    emit.response: {text: Bye}
    routing: reply
"""
SOURCE = "pack_id: shop.desk\nversion: 1.0.0\npublisher: Acme\n"
LISTED = """components:
  - id: qa.process
    version: 2.0.0
    wasm: code/qa.wasm
    world: greentic:component@0.6.0
    capabilities: {host: {secrets: {required: [{key: TOKEN}]}, http: {client: true}, state: {read: true}}}
    operations: [{name: process, input_schema: {type: object}, output_schema: {}}]
dependencies: [{alias: mail, pack_id: mail.pack, version_req: ^1, required_capabilities: [greentic.cap.mail]}]
capabilities: [{name: greentic.cap.desk}]
flows: [{file: flows/desk.ygtc, id: desk, tags: [main]}]
assets: [{path: README.md}]
extensions: {greentic.components: {inline: {x: 1}}}
"""


def folder(root: Path, source: str = SOURCE, **files: str | bytes) -> Path:
    held: dict[str, str | bytes] = {
        "pack.yaml": source,
        "flows/desk.ygtc": FLOW,
        "components/qa.process.wasm": WASM,
        "code/qa.wasm": WASM,
        "agents/helper.toml": 'name = "desk.helper"\n',
        "policies/a.cedar": "// none\n",
        "prompts/helper.md": "Help.",
        "knowledge/facts.md": "Facts.",
        "assets/card.json": "{}",
        "README.md": "Read me.",
        ".git/config": "secret",
        "dist/old.gtpack": "old",
        **files,
    }
    for path, data in held.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def archive_of(built: Built) -> Archive:
    return opened("shop.gtpack", built.data)


@pytest.mark.req("GRE-30.3")
def test_two_builds_of_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    first = build(read_folder(folder(tmp_path / "a")))
    other = folder(tmp_path / "b")
    for path in other.rglob("*"):
        os.utime(path, (0, 0))
        path.chmod(0o755)
    second = build(read_folder(other))
    assert first.data == second.data
    assert first.cyclonedx == second.cyclonedx


@pytest.mark.req("GRE-30.4")
def test_what_is_built_and_signed_passes_the_strict_check_and_an_older_reader(tmp_path: Path) -> None:
    built = build(read_folder(folder(tmp_path, SOURCE + LISTED)))
    data = signed_pack("shop.gtpack", built.data, KEY, NOW, in_manifest=True)
    archive = opened("shop.gtpack", data)
    manifest = read_manifest(archive)
    verdict = judged(proven(archive, manifest), Ring((Root("acme", KEY.public_key()),)), NOW)
    assert (verdict.is_ok, verdict.errors, verdict.warnings) == (True, (), ())
    assert not list(flaws(manifest))
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        assert other.testzip() is None
        assert sorted(other.namelist()) == other.namelist() == list(archive)
    assert not list(differences(archive, read_sbom(archive)))
    assert signed_pack("shop.gtpack", data, KEY, NOW, chain=archive.read("signatures/chain.pem")) == signed_pack(
        "shop.gtpack", data, KEY, NOW, chain=archive.read("signatures/chain.pem")
    )


@pytest.mark.req("GRE-30.5")
def test_what_lies_in_its_folders_goes_into_a_pack_and_nothing_else(tmp_path: Path) -> None:
    archive = archive_of(build(read_folder(folder(tmp_path))))
    manifest = read_manifest(archive)
    assert set(archive) == {
        "agents/helper.toml", "assets/card.json", "components/qa.process.wasm", "flows/desk.ygtc",
        "knowledge/facts.md", "manifest.cbor", "pack.lock.cbor", "policies/a.cedar", "prompts/helper.md", "sbom.cbor",
    }  # fmt: skip
    assert [each.id for each in manifest.components] == ["qa.process"]
    contents = contents_of(manifest)
    assert (dict(contents.flows), contents.agents) == ({"desk": "flows/desk.ygtc"}, ("agents/helper.toml",))
    assert contents.knowledge == ("knowledge/facts.md",)


@pytest.mark.req("GRE-30.5")
def test_what_pack_yaml_lists_is_what_goes_in(tmp_path: Path) -> None:
    archive = archive_of(build(read_folder(folder(tmp_path, SOURCE + LISTED))))
    manifest = read_manifest(archive)
    assert "README.md" in archive
    assert [(each.id, each.version, each.world) for each in manifest.components] == [
        ("qa.process", "2.0.0", "greentic:component@0.6.0"),
    ]
    assert [each.name for each in manifest.components[0].operations] == ["process"]
    assert [(each.alias, each.pack_id) for each in manifest.dependencies] == [("mail", "mail.pack")]
    assert manifest.capabilities == ("greentic.cap.desk",)
    assert manifest.flows[0].tags == ("main",)
    held = lock.read_lock(archive)
    assert held is not None
    assert held.components["qa.process"].resolved_digest == f"sha256:{hashlib.sha256(WASM).hexdigest()}"
    assert [each.operation_id for each in held.components["qa.process"].operations] == ["process"]


@pytest.mark.req("GRE-30.6")
def test_flows_are_lowered_as_upstream_lowers_them(tmp_path: Path) -> None:
    manifest = build(read_folder(folder(tmp_path))).manifest
    value = manifest.document.value
    assert list(value)[:4] == ["schema_version", "pack_id", "version", "kind"]
    assert value["symbols"]["node_ids"] == ["again", "ask", "bye"]
    nodes = value["flows"][0]["flow"]["nodes"]
    assert [each["routing"] for each in nodes] == [
        {"Branch": {"on_status": {"done": 2}, "default": 0}},
        {"Custom": [{"to": "bye", "condition": 'in.x == "1"'}, {"out": True}]},
        "Reply",
    ]
    assert value["flows"][0]["flow"]["entrypoints"] == {"default": "ask"}


@pytest.mark.req("GRE-30.7")
def test_a_bill_of_materials_for_others_names_every_part(tmp_path: Path) -> None:
    told = json.loads(build(read_folder(folder(tmp_path, SOURCE + LISTED))).cyclonedx)
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    names = {(each["type"], each["name"]) for each in told["components"]}
    assert {("library", "qa.process"), ("library", "mail.pack"), ("file", "flows/desk.ygtc")} <= names
    (code,) = (each for each in told["components"] if each["name"] == "qa.process")
    assert code["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(WASM).hexdigest()}]
    assert len({each["bom-ref"] for each in told["components"]}) == len(told["components"])


@pytest.mark.req("GRE-30.8")
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"source": SOURCE + "flows: [{file: flows/none.ygtc}]\n"}, "pack_source_file_missing"),
        ({"source": SOURCE + "flows: [{file: flows/desk.ygtc, id: other}]\n"}, "pack_flow_mismatch"),
        ({"source": SOURCE + "assets: [{path: none}]\n"}, "pack_source_file_missing"),
        ({"source": SOURCE + "components: [{id: a, wasm: README.md}]\n"}, "pack_component_invalid"),
        (
            {"source": SOURCE + "components: [{id: a, wasm: code/qa.wasm}, {id: a, wasm: code/qa.wasm}]\n"},
            "pack_component_twice",
        ),
        ({"flows/desk.ygtc": "id: x\n"}, "type_missing"),
    ],
)
def test_a_folder_that_is_no_pack_is_told(tmp_path: Path, more: dict[str, str], code: str) -> None:
    with pytest.raises(LichenError) as told:
        build(read_folder(folder(tmp_path, **more)))
    assert told.value.code == code


@pytest.mark.req("GRE-30.8")
def test_links_and_what_is_missing_are_told(tmp_path: Path) -> None:
    with pytest.raises(LichenError, match="pack_source_missing"):
        read_folder(tmp_path)
    folder(tmp_path)
    (tmp_path / "assets/link").symlink_to("/etc/passwd")
    with pytest.raises(LichenError, match="pack_source_special"):
        read_folder(tmp_path)


@pytest.mark.req("GRE-30.9")
def test_a_plan_says_what_a_pack_would_need_where_it_is_loaded(tmp_path: Path) -> None:
    archive = archive_of(build(read_folder(folder(tmp_path, SOURCE + LISTED))))
    told = planned(archive, "shop", "prod")
    assert told["secrets"] == ["secrets://prod/shop/_/shop.desk/token"]
    assert (told["hosts"], told["state"], told["packs"]) == (["*"], ["read"], ["mail.pack ^1"])
    assert told["tools"] == []
    assert described(archive)["components"] == ["qa.process@2.0.0"]
