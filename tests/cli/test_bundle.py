"""`lichen bundle`, as people type it: from an empty folder to one file, looked at, mended and unpacked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lichen.cli.app import app
from lichen.core.words.errors import LichenError
from lichen.packs.squash.writing import squashed
from tests.packs.making import v1_pack
from tests.packs.squashing import extracted, made, written

ROOT = """\
schema_version: 1
bundle_id: shop
bundle_name: The shop
locale: de
mode: create
app_packs:
  - oci://ghcr.io/acme/packs/desk:1.2
app_pack_mappings:
  - reference: oci://ghcr.io/acme/packs/desk:1.2
    scope: global
extension_providers: []
"""
RESOLVED = """\
version: 1
tenant: acme
project_root: /somewhere
policy:
  source:
    tenant_gmap: tenants/acme/tenant.gmap
  default: forbidden
app_packs:
  - reference: oci://ghcr.io/acme/packs/desk:1.2
    policy: public
"""
OPS = """\
version: 1
tenant: acme
team: ops
project_root: .
bundle:
  bundle_id: shop
  bundle_name: The shop
  locale: de
  mode: create
  advanced_setup: false
  setup_execution_intent: false
  export_intent: false
policy:
  source:
    tenant_gmap: tenants/acme/tenant.gmap
    team_gmap: tenants/acme/teams/ops/team.gmap
  default: forbidden
catalogs:
  []
app_packs:
  - reference: oci://ghcr.io/acme/packs/desk:1.2
    policy: forbidden
extension_providers:
  []
hooks:
  []
subscriptions:
  []
capabilities:
  []
"""
SETUP: dict[str, Any] = {
    "schema_version": 1,
    "provider_id": "telegram",
    "source_kind": "legacy",
    "form": {"id": "telegram", "title": "Telegram", "version": "1", "questions": [{"id": "token", "secret": True}]},
    "normalized_answers": {"token": "tok-PLAIN", "name": "bot"},
    "non_secret_config": {"name": "bot"},
    "secret_values": {"token": "tok-PLAIN"},
}
FILES = {
    "bundle.yaml": ROOT.encode(),
    "packs/desk.gtpack": v1_pack(),
    "tenants/acme/tenant.gmap": b"_ = public\n",
    "tenants/acme/teams/sales/team.gmap": b"desk = public\n",
    "resolved/acme.yaml": RESOLVED.encode(),
    "state/setup/telegram.json": json.dumps(SETUP).encode(),
    "assets/logo.svg": b"<svg/>",
    "notes.txt": b"not for others",
}


class Shell:
    """A folder to type in, in this process, with the folder of a bundle in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bundle = written(root / "shop", FILES)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["bundle", *words])

    def data(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert done.exit_code == code, (done.output, done.exception)
        return json.loads(done.stdout)

    def refused(self, *words: str) -> LichenError:
        error = self.run(*words).exception
        assert isinstance(error, LichenError)
        return error

    def problems(self, target: str = "shop") -> dict[str, str]:
        """The code of each problem by its place, without what stands before the file."""
        found = self.data("doctor", target, code=2)["problems"]
        return {each["place"].split("shop/")[-1].split(".gtbundle!/")[-1]: each["code"] for each in found}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


@pytest.mark.req("GRE-73.4")
def test_a_bundle_is_begun_built_looked_at_and_unpacked(shell: Shell) -> None:
    begun = shell.data("new", "fresh", "--tenant", "acme", "--tenant", "bravo")
    assert begun["files"] == ["bundle.yaml", "tenants/acme/tenant.gmap", "tenants/bravo/tenant.gmap"]
    assert shell.data("doctor", "fresh") == {"ok": True, "problems": []}
    built = shell.data("build", "fresh", "--out", "fresh.gtbundle")
    assert shell.data("doctor", "fresh.gtbundle") == {"ok": True, "problems": []}
    told = shell.data("inspect", "fresh.gtbundle")
    assert (told["bundle_id"], told["tenants"]) == ("fresh", {"acme": [], "bravo": []})
    assert [each["path"] for each in told["files"]] == built["files"]
    assert shell.data("unpack", "fresh.gtbundle", "again")["files"] == built["files"]
    assert (shell.root / "again/tenants/acme/tenant.gmap").read_text() == "_ = forbidden\n"
    assert shell.data("inspect", "again")["bundle_id"] == "fresh"


@pytest.mark.req("GRE-73.2")
def test_a_folder_is_built_to_the_same_bytes_which_unsquashfs_takes_apart(shell: Shell, tmp_path: Path) -> None:
    first = shell.data("build", "shop", "--out", "a.gtbundle")
    second = shell.data("build", "shop", "--out", "b.gtbundle")
    assert first["digest"] == second["digest"]
    files = extracted((shell.root / "a.gtbundle").read_bytes(), tmp_path / "out")
    kept = {path: data for path, data in FILES.items() if not path.startswith(("state/", "notes"))}
    assert {path: data for path, data in files.items() if path in kept} == kept
    manifest = json.loads(files["bundle-manifest.json"])
    assert manifest["format_version"] == "gtbundle-v1"
    assert manifest["resolved_targets"][1:] == [
        {
            "path": "resolved/acme.yaml",
            "tenant": "acme",
            "default_policy": "forbidden",
            "tenant_gmap": "tenants/acme/tenant.gmap",
            "app_pack_policies": [{"reference": "oci://ghcr.io/acme/packs/desk:1.2", "policy": "public"}],
        }
    ]
    lock = json.loads(files["bundle-lock.json"])
    assert [each["reference"] for each in lock["app_packs"]] == manifest["app_packs"]
    assert lock["setup_state_files"] == ["state/setup/telegram.json"]
    assert first["left_out"] == ["notes.txt"]


@pytest.mark.req("GRE-73.2")
def test_what_targets_may_do_is_written_as_upstream_writes_it(shell: Shell, tmp_path: Path) -> None:
    (shell.bundle / "tenants/acme/teams/ops").mkdir()
    (shell.bundle / "tenants/acme/teams/ops/team.gmap").write_text("other = public\ndesk = forbidden\n")
    (shell.bundle / "resolved/acme.yaml").unlink()
    built = shell.data("build", "shop", "--out", "a.gtbundle")
    assert [path for path in built["files"] if path.startswith("resolved/")] == [
        "resolved/acme.ops.yaml",
        "resolved/acme.sales.yaml",
        "resolved/acme.yaml",
    ]
    files = extracted((shell.root / "a.gtbundle").read_bytes(), tmp_path / "out")
    assert files["resolved/acme.ops.yaml"].decode() == OPS
    targets = json.loads(files["bundle-manifest.json"])["resolved_targets"]
    told = [(each.get("team"), each["app_pack_policies"][0]["policy"]) for each in targets]
    assert told == [("ops", "forbidden"), ("sales", "public"), (None, "public")]
    assert shell.data("doctor", "a.gtbundle")["ok"]


@pytest.mark.req("GRE-73.5")
def test_answers_that_are_secrets_stay_where_they_are(shell: Shell, tmp_path: Path) -> None:
    shell.data("build", "shop", "--out", "a.gtbundle")
    data = (shell.root / "a.gtbundle").read_bytes()
    assert b"tok-PLAIN" not in data
    setup = json.loads(extracted(data, tmp_path / "out")["state/setup/telegram.json"])
    assert (setup["normalized_answers"], "secret_values" in setup) == ({"name": "bot"}, False)
    (shell.root / "shop.gtbundle").write_bytes(squashed("shop", FILES))
    assert shell.problems("shop.gtbundle") == {"state/setup/telegram.json": "bundle_secret"}
    assert "tok-PLAIN" not in shell.run("doctor", "shop.gtbundle").output


@pytest.mark.req("GRE-73.1")
def test_a_bundle_of_another_tool_is_looked_at(shell: Shell) -> None:
    made(shell.bundle, shell.root / "other.gtbundle", "-comp", "xz")
    told = shell.data("inspect", "other.gtbundle")
    assert told["tenants"] == {"acme": ["sales"]}
    assert told["packs"] == ["packs/desk.gtpack"]
    assert told["setups"] == ["telegram"]
    assert "pack packs/desk.gtpack" in shell.run("inspect", "other.gtbundle").output


WRONG: Mapping[str, tuple[dict[str, str], dict[str, str]]] = {
    "an unknown key": ({"bundle.yaml": f"{ROOT}app_pack: []\n"}, {"bundle.yaml:12:1#/app_pack": "bundle_words"}),
    "two mistakes at once": (
        {"bundle.yaml": ROOT.replace("locale: de", "locale: 7").replace("scope: global", "scope: world")},
        {"bundle.yaml:4:1#/locale": "bundle_words", "bundle.yaml:10:5#/app_pack_mappings/0/scope": "bundle_words"},
    ),
    "no YAML": ({"bundle.yaml": "a: [1\nb: 2"}, {"bundle.yaml:2:2": "bundle_yaml"}),
    "a key twice": ({"bundle.yaml": f"{ROOT}mode: a\n"}, {"bundle.yaml:12:1": "bundle_yaml"}),
    "an alias": ({"bundle.yaml": f"{ROOT}hooks: &a [x]\ncapabilities: *a\n"}, {"bundle.yaml:13:15": "bundle_yaml"}),
    "a tag": ({"bundle.yaml": f"{ROOT}hooks: !!python/name:os.system x\n"}, {"bundle.yaml:12:8": "bundle_yaml"}),
    "a pack that is not there": (
        {"bundle.yaml": ROOT.replace("app_packs:\n", "app_packs:\n  - packs/gone.gtpack\n")},
        {"bundle.yaml:7:5#/app_packs/0": "bundle_pack_missing"},
    ),
    "rules that are none": (
        {"tenants/acme/teams/sales/team.gmap": "_ = public\ndesk = maybe\n"},
        {"tenants/acme/teams/sales/team.gmap:2:8": "access_verdict"},
    ),
    "another manifest": (
        {"bundle-manifest.json": '{"format_version": "gtbundle-v9"}'},
        {"bundle-manifest.json#/bundle_id": "bundle_json"},
    ),
    "a setup that is none": (
        {"state/setup/telegram.json": "[]"},
        {"state/setup/telegram.json": "bundle_json"},
    ),
    "a demo file with mistakes": (
        {"greentic.demo.yaml": "tenant: acme\nservices:\n  gateway:\n    port: many\n"},
        {"greentic.demo.yaml:4:5#/services/gateway/port": "bundle_words"},
    ),
    "a broken pack": ({"packs/desk.gtpack": "PK"}, {"packs/desk.gtpack": "bundle_pack_broken"}),
}


@pytest.mark.req("GRE-73.6")
@pytest.mark.parametrize("name", WRONG)
def test_every_mistake_is_named_with_its_file_line_and_pointer(shell: Shell, name: str) -> None:
    files, problems = WRONG[name]
    written(shell.bundle, {path: text.encode() for path, text in files.items()})
    assert shell.problems() == problems


@pytest.mark.req("GRE-73.6")
def test_a_manifest_and_a_lock_that_do_not_fit_what_is_there_are_named(shell: Shell) -> None:
    shell.data("build", "shop", "--out", "a.gtbundle")
    shell.data("unpack", "a.gtbundle", "again/shop")
    folder = shell.root / "again/shop"
    (folder / "packs/desk.gtpack").write_bytes(v1_pack({"assets/more": b"1"}))
    (folder / "resolved/acme.yaml").unlink()
    manifest = json.loads((folder / "bundle-manifest.json").read_bytes())
    lock = json.loads((folder / "bundle-lock.json").read_bytes())
    (folder / "bundle-manifest.json").write_text(json.dumps({**manifest, "requested_mode": "update"}))
    (folder / "bundle-lock.json").write_text(
        json.dumps({**lock, "app_packs": [*lock["app_packs"], {"reference": "x"}]})
    )
    found = shell.problems("again/shop")
    assert found.pop("bundle-lock.json#/app_packs/0/digest") == "bundle_pack_differs"
    assert {place: code for place, code in found.items() if not place.startswith("packs/")} == {
        "bundle-manifest.json#/requested_mode": "bundle_manifest_differs",
        "bundle-manifest.json#/generated_resolved_files/1": "bundle_file_missing",
        "bundle-lock.json#/requested_mode": "bundle_lock_differs",
        "bundle-lock.json#/app_packs": "bundle_lock_differs",
    }


@pytest.mark.req("GRE-73.3")
def test_links_in_a_folder_are_not_followed(shell: Shell) -> None:
    (shell.bundle / "assets/passwd").symlink_to("/etc/passwd")
    assert shell.refused("inspect", "shop").code == "bundle_entry_special"
    assert shell.refused("build", "shop", "--out", "a.gtbundle").code == "bundle_entry_special"
    assert not (shell.root / "a.gtbundle").exists()


@pytest.mark.req("GRE-73.4")
def test_nothing_is_unpacked_over_something_or_by_half(shell: Shell) -> None:
    made(shell.bundle, shell.root / "a.gtbundle", "-comp", "gzip")
    assert shell.refused("unpack", "a.gtbundle", "shop").code == "folder_exists"
    data = bytearray((shell.root / "a.gtbundle").read_bytes())
    data[100:140] = bytes(40)
    (shell.root / "b.gtbundle").write_bytes(data)
    assert shell.refused("unpack", "b.gtbundle", "out").code == "bundle_block"
    assert sorted(each.name for each in shell.root.iterdir()) == ["a.gtbundle", "b.gtbundle", "shop"]


@pytest.mark.req("GRE-73.4")
def test_what_is_no_bundle_is_named(shell: Shell) -> None:
    (shell.root / "none").mkdir()
    assert shell.refused("inspect", "none").code == "bundle_unrooted"
    assert shell.refused("build", "none").code == "bundle_unrooted"
    assert shell.refused("inspect", "gone.gtbundle").code == "file_missing"
    assert shell.refused("new", "shop").code == "folder_exists"
    assert shell.refused("new", "other", "--id", "no name").code == "bundle_words"
    assert shell.refused("new", "other", "--tenant", "../up").code == "bundle_path"
